declare const module: { exports: object };
declare function setTimeout(run: (value?: unknown) => void, ms: number): number;
