"""Places of the layer broken on purpose: the simulation must see each; `make mutants` runs them."""

from dataclasses import dataclass

from tests.simulation.layer import Read, read


@dataclass(frozen=True)
class Mutant:
    """A piece of a file that stands there once, and the broken piece that replaces it."""

    what: str
    file: str
    old: str
    new: str

    def reading(self) -> Read:
        """Return how a layer with this mutant reads the files of the tree."""

        def broken(path: str) -> str:
            text = read(path)
            return text.replace(self.old, self.new) if path == self.file else text

        return broken


ACCOUNTS = "layers/wechat_login/accounts"
TRANSACTION = f"{ACCOUNTS}/transaction.py"
CLAIMS = f"{ACCOUNTS}/claims.py"
LOGINS = f"{ACCOUNTS}/logins.py"
SESSIONS = f"{ACCOUNTS}/sessions.py"
ATTEMPTS = f"{ACCOUNTS}/attempts.py"
REGISTRATION = f"{ACCOUNTS}/registration.py"
ERASURE = f"{ACCOUNTS}/erasure.py"
OUTBOX = f"{ACCOUNTS}/outbox.py"
ACCESS_TOKEN = "layers/wechat_login/wechat/access_token.py"
CLIENT = "layers/wechat_login/wechat/client.py"
AUTHORIZED = "layers/wechat_login/wechat/authorized_client.py"
TABLE = "layers/wechat_login/storage/table.py"

MUTANTS = (
    # Users and claims.
    Mutant(
        "a change does not look at the revision",
        TRANSACTION,
        'return f"{condition} AND revision = :revision"',
        'return f"{condition} AND :revision = :revision"',
    ),
    Mutant(
        "a change does not increment the revision",
        TRANSACTION,
        'after = {**after, "revision": self._next_revision(before)}',
        "after = {**after}",
    ),
    Mutant(
        "a claim is written over one that has changed",
        TRANSACTION,
        'condition = " AND ".join(f"{name} = :{name}" for name in content)',
        'condition = " OR ".join(f"{name} = :{name} OR attribute_exists(pk)" for name in content)',
    ),
    Mutant(
        "a new claim overwrites one that has appeared",
        TRANSACTION,
        'return Put(after, "attribute_not_exists(pk)")',
        "return Put(after)",
    ),
    Mutant(
        "a session that has ended still changes its user",
        TRANSACTION,
        'condition += " AND attribute_exists(sessions.#sid)"\n            names["#sid"] = self._sids[key]',
        "pass",
    ),
    Mutant(
        "a session is not looked up again before a change",
        TRANSACTION,
        "if found is None or sid not in found.sessions:",
        "if found is None:",
    ),
    Mutant(
        "a claim is written for a user who is gone",
        TRANSACTION,
        "if before := self._before[user.key]:",
        "if before := {}:",
    ),
    Mutant(
        "an erased user keeps the claim on the number",
        TRANSACTION,
        "        if user.phone_index:\n            self.leave(phone_key(user.appid, user.phone_index), user)\n",
        "",
    ),
    Mutant(
        "an erased user keeps the claim on the unionid",
        TRANSACTION,
        "        if user.unionid:\n            self._leave_union(user, user.unionid)\n        self._after",
        "        self._after",
    ),
    Mutant(
        "an erased user keeps the claim on the userId",
        TRANSACTION,
        "        self.leave(id_key(user.user_id), user)\n        if user.phone_index:",
        "        if user.phone_index:",
    ),
    Mutant(
        "a user who gets another userId keeps the claim on the former one",
        TRANSACTION,
        "        self.leave(id_key(user.user_id), user)\n        self.join(id_key(user_id), user)",
        "        self.join(id_key(user_id), user)",
    ),
    Mutant(
        "a linked user keeps the shared userId without the number",
        TRANSACTION,
        'return self.change(self.rename(user, self._own_id(user)), {"linked": None})',
        "return user",
    ),
    Mutant(
        "those who joined keep the userId of the user who leaves",
        TRANSACTION,
        "if others and all(each.linked for each in others):",
        "if others and all(not each.linked for each in others):",
    ),
    Mutant(
        "a unionid that changes stays claimed",
        TRANSACTION,
        "        if user.unionid and user.unionid != unionid:\n            self._leave_union(user, user.unionid)\n",
        "",
    ),
    Mutant(
        "the block of a person's other mini program is not looked at again at the write",
        TRANSACTION,
        '        self._checks[user.key] = ConditionCheck(user.key, UNBLOCKED, {":now": int(self.now)})\n',
        "",
    ),
    Mutant(
        "a block does not end the sessions that began since it was read",
        TRANSACTION,
        "        self._logged_out.add(user.key)\n",
        "",
    ),
    Mutant(
        "the block before an erasure is not looked at again at the write",
        TRANSACTION,
        '        self._checks[key] = ConditionCheck(key, expired, {":now": int(self.now)})\n',
        "",
    ),
    Mutant(
        "a refused transaction is taken for written",
        TRANSACTION,
        "                known = {}\n            else:",
        "                return planned\n            else:",
    ),
    Mutant(
        "a second try still uses what was assumed",
        TRANSACTION,
        "                known = {}\n",
        "                pass\n",
    ),
    # Phone numbers.
    Mutant(
        "a withdrawn consent is bound",
        CLAIMS,
        "if number.given_at <= user.phone_removed_at:",
        "if number.given_at < 0:",
    ),
    Mutant(
        "an older number replaces a newer one",
        CLAIMS,
        "if (user.registered_at or 0) > number.given_at:",
        "if number.given_at < 0:",
    ),
    Mutant(
        "a number moves to a user who gave it earlier",
        CLAIMS,
        "if owner.phone_index == index and (owner.registered_at or 0) > given_at:",
        "if given_at < 0:",
    ),
    Mutant(
        "a changed number stays claimed",
        CLAIMS,
        "            if user.phone_index not in (None, index):\n                user = transaction.leave_phone(user)\n",
        "",
    ),
    Mutant(
        "under `reject` a number moves all the same",
        CLAIMS,
        'if self.conflict != "transfer":',
        "if False:",
    ),
    Mutant(
        "a number moves, and its former owner keeps it too",
        CLAIMS,
        "            left = transaction.leave_phone(owner)\n",
        "            left = owner\n",
    ),
    Mutant(
        "a withdrawal also removes a newer registration",
        CLAIMS,
        "if user is None or (user.registered_at or 0) > at:",
        "if user is None:",
    ),
    Mutant(
        "a withdrawal is not remembered",
        CLAIMS,
        'transaction.change(user, {"phoneRemovedAt": max(at, user.phone_removed_at)})',
        "pass",
    ),
    Mutant(
        "one user too many may share a number",
        CLAIMS,
        "len(owners) < MOST_LINKED",
        "len(owners) <= MOST_LINKED",
    ),
    # Logins and sessions.
    Mutant(
        "a known login writes twice",
        LOGINS,
        "            logged_in = User.from_item(user)\n",
        '            logged_in = User.from_item(self.table.get((user["pk"], user["sk"])) or user)\n',
    ),
    Mutant(
        "a blocked user gets a session",
        LOGINS,
        'condition = f"attribute_exists(sessions) AND ({UNBLOCKED})"',
        'condition = "attribute_exists(sessions) AND :now = :now"',
    ),
    Mutant(
        "an erased user who is blocked comes back",
        LOGINS,
        "                self.blocks.check_new(transaction, new)\n",
        "",
    ),
    Mutant(
        "a person's userId is not shared with the second mini program",
        LOGINS,
        '"userId": person or new.user_id',
        '"userId": new.user_id',
    ),
    Mutant(
        "a unionid that appears is not stored",
        LOGINS,
        'condition += " AND unionid = :unionid"',
        'condition += " AND (unionid = :unionid OR attribute_not_exists(unionid))"',
    ),
    Mutant(
        "sessions are never limited",
        LOGINS,
        "if len(user.sessions) <= MOST_SESSIONS:",
        "if user.sessions:",
    ),
    Mutant(
        "a login removes its own session when there are too many",
        LOGINS,
        "kept = {sid, *others[: SESSIONS_LEFT - 1]}",
        "kept = {*others[: SESSIONS_LEFT - 1]}",
    ),
    Mutant(
        "an extension restores a session that was revoked meanwhile",
        SESSIONS,
        '            "SET sessions.#sid.usedAt = :now",\n            "attribute_exists(sessions.#sid)",\n            {":now": int(self.now())},',
        '            "SET sessions.#sid = :new",\n            "attribute_exists(pk)",\n'
        '            {":new": {"createdAt": session.created_at, "usedAt": int(self.now())}},',
    ),
    Mutant(
        "an expired session is valid",
        SESSIONS,
        '        if session.expires_at <= self.now():\n            raise SessionInvalid(why="expired")\n',
        "",
    ),
    Mutant(
        "a session is never extended",
        SESSIONS,
        ">= min(DAY, self.lifetime // 2):",
        ">= self.lifetime:",
    ),
    Mutant(
        "a session is valid for another openid",
        SESSIONS,
        "if openid is not None and owner != openid:",
        "if openid is None:",
    ),
    Mutant(
        "a token of a former userId is accepted",
        SESSIONS,
        "if session.user.user_id != user_id:",
        "if not user_id:",
    ),
    Mutant(
        "a log-out ends no session",
        SESSIONS,
        "        with suppress(ConditionFailed):\n            self.table.write(change)",
        "        with suppress(ConditionFailed):\n            change.request",
    ),
    Mutant(
        "a log-out everywhere leaves linked openids alone",
        SESSIONS,
        "own = {user.key: user} | {each.key: each for each in self._linked(user)}",
        "own = {user.key: user}",
    ),
    Mutant(
        "the authorizer accepts a token whose number has moved on",
        "functions/authorize.py",
        'if claims.get("phone_number_verified") and not session.user.registered:',
        'if claims.get("phone_number_verified") is None:',
    ),
    # Phone codes.
    Mutant(
        "a code may be tried by two requests at once",
        ATTEMPTS,
        "if until is not None and until > now:",
        "if until is not None and until < -1:",
    ),
    Mutant(
        "any number of codes may be tried",
        ATTEMPTS,
        'if until is None and len(found["proofs"]) >= self.limit:',
        'if until is None and len(found["proofs"]) >= 100 * self.limit:',
    ),
    Mutant(
        "a code stays busy after a failure",
        ATTEMPTS,
        "until = REJECTED if rejected else 0",
        "until = REJECTED if rejected else int(self.now()) + 100_000",
    ),
    Mutant(
        "a code that has failed is taken for rejected",
        REGISTRATION,
        "spent = isinstance(failure, CodeRejected | PhoneTaken)",
        "spent = True",
    ),
    Mutant(
        "a code that is bound is exchanged again",
        REGISTRATION,
        "        if user.phone_code_hash == proof:\n            return user\n        self.attempts",
        "        self.attempts",
    ),
    Mutant(
        "a receipt is for everybody",
        REGISTRATION,
        'return f"receipt {user.key[0]} {user.user_id} {user.created_at}"',
        'return "receipt"',
    ),
    # WeChat.
    Mutant(
        "a login code is sent again after a timeout",
        CLIENT,
        'JSCODE2SESSION = Api("GET", "/sns/jscode2session", False, SECRET)',
        'JSCODE2SESSION = Api("GET", "/sns/jscode2session", True, SECRET)',
    ),
    Mutant(
        "a phone code is sent again after a timeout",
        AUTHORIZED,
        'GETUSERPHONENUMBER = Api("POST", "/wxa/business/getuserphonenumber", False, PHONE)',
        'GETUSERPHONENUMBER = Api("POST", "/wxa/business/getuserphonenumber", True, PHONE)',
    ),
    Mutant(
        "a number is asked for without the openid",
        AUTHORIZED,
        'body = {"code": code, "openid": openid}',
        'body = {"code": code}',
    ),
    Mutant(
        "a refresh is forced at each rejection",
        ACCESS_TOKEN,
        "if not self.forced.take():",
        "if self.forced is None:",
    ),
    Mutant(
        "a refresh is forced without a rejection",
        ACCESS_TOKEN,
        "return self._usable(rejected, 0) or self._share(self._new(rejected))",
        "return self._usable(rejected, 0) or self._share(self._ask_wechat(force_refresh=True))",
    ),
    Mutant(
        "forced refreshes need no rest between them",
        ACCESS_TOKEN,
        "FORCED_APART = 30",
        "FORCED_APART = -30",
    ),
    Mutant(
        "a token that WeChat rejects is not replaced",
        ACCESS_TOKEN,
        "token is None or token.value == rejected or",
        "token is None or",
    ),
    # Operators, WeChat's pushes, keys, events.
    Mutant(
        "a block does not outlive an erasure",
        f"{ACCOUNTS}/blocks.py",
        '        transaction.put(self.key(user.appid, user.openid), {"expiresAt": expires_at})\n',
        "",
    ),
    Mutant(
        "a block leaves the sessions",
        f"{ACCOUNTS}/blocks.py",
        '        transaction.end_sessions(user)\n        transaction.change(user, {"blocked": blocked, "sessions": {}})',
        '        transaction.change(user, {"blocked": blocked})',
    ),
    Mutant(
        "to lift a block changes nothing",
        f"{ACCOUNTS}/blocks.py",
        'transaction.change(user, {"blocked": None})',
        "pass",
    ),
    Mutant(
        "an operator's erasure does not look whether it is still the same account",
        ERASURE,
        "(now.user_id, now.phone_index) == wanted",
        "bool(wanted)",
    ),
    Mutant(
        "an erasure leaves linked openids",
        ERASURE,
        "if other.appid == found.appid and other.openid != found.openid:",
        "if other.appid != other.appid:",
    ),
    Mutant(
        "a cancellation erases a user who was created later",
        ERASURE,
        "if user is None or user.created_at > at:",
        "if user is None:",
    ),
    Mutant(
        "a revocation removes a newer nickname",
        f"{ACCOUNTS}/profiles.py",
        'user.item.get(f"{name}SetAt", at + 1) <= at',
        'f"{name}SetAt" in user.item',
    ),
    Mutant(
        "a merge leaves the claim on the number with the former userId",
        f"{ACCOUNTS}/merging.py",
        "transaction.join(phone_key(user.appid, user.phone_index), user, userId=kept)",
        "pass",
    ),
    Mutant(
        "a dry run writes",
        f"{ACCOUNTS}/merging.py",
        "for user in () if dry_run else changed:",
        "for user in changed:",
    ),
    Mutant(
        "a new key signs at once",
        "layers/wechat_login/tokens/signing_keys.py",
        "NOTICE_SECONDS = DAY",
        "NOTICE_SECONDS = 0",
    ),
    Mutant(
        "a transaction's events are left out when a user is erased",
        OUTBOX,
        '        yield "erased", {}\n',
        "",
    ),
    Mutant(
        "a changed number has no event",
        OUTBOX,
        'if before.get("phoneIndex") != after.get("phoneIndex"):',
        'if ("phoneIndex" in before) != ("phoneIndex" in after):',
    ),
    Mutant(
        "an event has the revision before the change",
        TRANSACTION,
        'revision = after["revision"] if not before else self._next_revision(before)',
        'revision = (before or after)["revision"]',
    ),
    Mutant(
        "a nickname is in an event",
        OUTBOX,
        '            "time": int(now),\n',
        '            "time": int(now),\n            "nickname": user.nickname,\n',
    ),
    # AWS.
    Mutant(
        "a conflict with another transaction is a failure",
        TABLE,
        'RETRYABLE = {"None", "ProvisionedThroughputExceeded", "ThrottlingError", "TransactionConflict"}',
        'RETRYABLE = {"None"}',
    ),
    Mutant(
        "a number that could not be written has no receipt",
        REGISTRATION,
        "raise StorageUnavailable(receipt=receipt, **facts)",
        "raise StorageUnavailable(**facts)",
    ),
    Mutant(
        "the log says the whole session",
        "functions/look_up_token.py",
        "note(openid=openid, user_id=session.user.user_id)",
        "note(openid=openid, user_id=credential)",
    ),
)
