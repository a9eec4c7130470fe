const NO_TAP_HELPS = ['phone_quota_used_up', 'phone_unavailable', 'user_blocked'];

/**
 * Returns what a page offers after registerPhone has failed: `unsent`, to send the same code again,
 * which is paid for; `ready`, the phone button once more; or `closed`, neither.
 *
 * @param {any} error what registerPhone threw
 */
function stepAfter(error) {
  if (error.retryable) return 'unsent';
  return NO_TAP_HELPS.includes(error.code) ? 'closed' : 'ready';
}

module.exports = { stepAfter };
