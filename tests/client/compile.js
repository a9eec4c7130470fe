/* Compiles projects as tsc does, and prints the errors of each as JSON. One process parses the
   declarations of the platforms once, which is most of the work.

   Input: a list of {project, changed}; `changed` maps paths to the text to read instead. */
"use strict";

const path = require("node:path");
const ts = require("typescript");

const declarations = new Map();

function errors({ project, changed }) {
  const read = (file) => changed[path.resolve(file)] ?? ts.sys.readFile(file);
  const config = ts.getParsedCommandLineOfConfigFile(project, {}, {
    ...ts.sys,
    onUnRecoverableConfigFileDiagnostic: (found) => { throw new Error(ts.flattenDiagnosticMessageText(found.messageText, "\n")); },
  });
  const host = ts.createCompilerHost(config.options);
  const parse = host.getSourceFile;
  host.readFile = read;
  host.getSourceFile = (file, how, ...rest) => {
    const text = changed[path.resolve(file)];
    if (text !== undefined) return ts.createSourceFile(file, text, how);
    if (!file.endsWith(".d.ts")) return parse(file, how, ...rest);
    if (!declarations.has(file)) declarations.set(file, parse(file, how, ...rest));
    return declarations.get(file);
  };
  const program = ts.createProgram({
    rootNames: config.fileNames,
    options: config.options,
    configFileParsingDiagnostics: config.errors,
    host,
  });
  return ts.formatDiagnostics(ts.getPreEmitDiagnostics(program), host);
}

const input = JSON.parse(require("node:fs").readFileSync(0, "utf8"));
process.stdout.write(JSON.stringify(input.map(errors)));
