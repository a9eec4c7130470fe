// Gives a function the form of the wx API: `success`, `fail` and `complete`, or a promise if none
// of them is given.
export function callable(name, act) {
  return (options = {}) => {
    const outcome = act(options).then(
      (result) => ({ errMsg: `${name}:ok`, ...result }),
      (fault) => {
        const reason = fault.errMsg ?? fault.message;
        throw { ...fault, errMsg: `${name}:fail${reason ? ` ${reason}` : ''}` };
      },
    );
    const { success, fail, complete } = options;
    if (!success && !fail && !complete) return outcome;
    outcome.then(
      (result) => [success, complete].forEach((callback) => callback?.(result)),
      (fault) => [fail, complete].forEach((callback) => callback?.(fault)),
    );
    return undefined;
  };
}
