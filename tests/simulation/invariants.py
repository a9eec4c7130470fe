"""What must always hold, in words: after each write, of each answer, and at the end.

The table's history is kept, so an answer can be compared with what was true while its request ran:
between two writes of others every answer must fit one state of the user. Each law is a method; its
docstring is the law, and a violation names it.
"""

import base64
import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from typing import TYPE_CHECKING, Any, NoReturn

from tests.support.dynamodb import Key
from tests.support.expressions import Item

if TYPE_CHECKING:
    from simulated_wechat.answers import Answer as WeChatAnswer
    from simulated_wechat.rules import Request as WeChatRequest
    from tests.simulation.world import Sender, World

Items = Mapping[Key, Item | None]

DAY = 86_400
LONGEST_LIFE = 180 * DAY
MOST_SESSIONS = 10
MOST_CODES = 5
MOST_LINKED = 10
BUSY_SECONDS = 30  # for which a code that a request has tried stays its own
FORCED_APART, FORCED_A_DAY = 30, 20
SERVER_ERROR = 500
OK = 200
PHONE_API, LOGIN_API = "/wxa/business/getuserphonenumber", "/sns/jscode2session"
TOKEN_API = "/cgi-bin/stable_token"

LATE = "dynamodb: late"  # the fault

PHONE = {"phone", "phoneIndex", "registeredAt", "phoneCodeHash", "phoneRemovedAt"}
SHARED_ID = {"userId", "linked"}
PROFILE = {"nickname", "nicknameSetAt", "avatarUrl", "avatarUrlSetAt", "updatedAt"}
EVENT_KEYS = {"id", "userId", "appid", "openid", "unionid", "time", "revision"}
EVENT_KEYS |= {"formerUserId", "blockedUntil"}
SHOWN = ("nickname", "avatarUrl", "roles", "unionid")
# What each function may change of a user that exists, besides `revision`.
MAY_CHANGE: Mapping[str, set[str]] = {
    "Login": {"sessions", "lastLoginAt", "sessionKey", "unionid"},
    "LookUpToken": {"sessions"},
    "ShowAccount": {"sessions"},
    "ListSessions": {"sessions"},
    "LogOut": {"sessions"},
    "EndSession": {"sessions"},
    "EndSessions": {"sessions"},
    "RegisterPhone": {"sessions", *PHONE, *SHARED_ID},
    "UpdateAccount": {"sessions", *PROFILE},
    "EraseAccount": {"sessions", *SHARED_ID},
    "EraseUser": set(),
    "ReceiveEvent": {*PHONE, *PROFILE, *SHARED_ID},
    "UpdateUser": {"roles", "blocked", "sessions"},
    "MergeUsers": {"userId"},
}
MAY_ERASE = {"EraseAccount", "EraseUser", "ReceiveEvent"}
WITHOUT_REVISION = {"sessions", "lastLoginAt", "sessionKey"}
# The functions that use WeChat's access token: a fault at one container may disturb the others.
WITH_TOKEN = {"RegisterPhone", "RenewAccessToken"}


class Violation(BaseException):
    """A law does not hold."""

    def __init__(self, law: str, words: str, facts: str) -> None:
        super().__init__(f"{words} {facts}")
        self.law = law
        self.words = words
        self.facts = facts


@dataclass(frozen=True)
class State:
    """A user's item from one write on, until the next."""

    since: int  # the number of the write
    item: Item | None
    writer: "Sender | None" = None


@dataclass
class Delivery:
    """A phone code at WeChat: its owner, and the number that WeChat has given for it."""

    openid: str = ""
    given_at: int = 0
    index: str = ""
    refused: bool = False


@dataclass
class Said:
    """What an invocation answered."""

    sender: "Sender"
    status: int
    code: str
    body: Any
    key: Key | None  # of the user whose session or token came with the request
    sid: str = ""

    @property
    def data(self) -> Any:
        return self.body.get("data") if isinstance(self.body, dict) else None


@dataclass
class Invariants:
    """Sees each write, each call of WeChat's and each answer; raises `Violation`."""

    world: "World"
    writes: int = 0
    lifted: int = 0  # the last write that removed the block of an erased user
    log: list[str] = field(default_factory=list)  # what the functions have printed
    secrets: dict[str, str] = field(default_factory=dict)  # each with what it is
    states: dict[Key, list[State]] = field(default_factory=dict)
    revisions: dict[Key, int] = field(default_factory=dict)
    withdrawn: dict[Key, int] = field(default_factory=dict)
    deliveries: dict[str, Delivery] = field(default_factory=dict)
    tries: dict[str, list["Sender"]] = field(default_factory=dict)  # by the phone code's hash
    registrations: list["Sender"] = field(default_factory=list)
    forced: dict[str, list[float]] = field(default_factory=dict)
    rejections: dict[str, int] = field(default_factory=dict)
    erased: dict[Key, float] = field(default_factory=dict)  # when
    published: dict[str, float] = field(default_factory=dict)  # a signing key, and since when

    def __post_init__(self) -> None:
        parameters = self.world.stack.parameters
        self.conflict = parameters["PhoneConflict"]
        self.events = parameters["Events"] == "true"
        self.phone_required = parameters["PhoneRequired"] == "true"
        self.lifetime = int(parameters["SessionDays"]) * DAY
        self.skew = self.world.setting.skew + 1  # seconds; a second for what is rounded

    def mark(self) -> int:
        """Return the number of writes by now."""
        return self.writes

    def violated(self, law: Callable[..., object], facts: str) -> NoReturn:
        """End the history."""
        words = " ".join((law.__doc__ or "").split())
        self.world.scheduler.fail(Violation(law.__name__, words, facts))

    # After each write.

    def written(self, sender: "Sender | None", before: Items, after: Items) -> None:
        """Check a write, and keep the users as it leaves them."""
        self.writes += 1
        if any(key[0].startswith("BLOCK#") and item is None for key, item in after.items()):
            self.lifted = self.writes
        users = [key for key in after if key[1] == "PROFILE"]
        for key in users:
            self.states.setdefault(key, [State(0, None)]).append(
                State(self.writes, after[key], sender)
            )
        if sender is None:
            return
        self.each_change_has_its_event(users, before, after)
        for key in users:
            self._user_written(sender, key, before, after)
        if any(_is_claim(key) for key in after):
            self.claims_agree()
        for key in after:
            if key[0].startswith("ATTEMPTS#"):
                self.codes_are_few(after[key])
                self._codes_freed(sender, before[key], after[key])
        self.nothing_secret_is_stored(after)

    def _user_written(self, sender: "Sender", key: Key, before: Items, after: Items) -> None:
        old, new = before[key], after[key]
        self.each_function_changes_only_its_own(sender, key, old, new)
        if old is None and new is not None:
            self.a_person_has_one_user_id(key, before, new)
            self.the_blocked_stay_out(key, new)
            # A new user begins with the time at which the login's container planned the write.
            if self.erased.get(key, 0.0) > sender.started_at - 2 * self.skew:
                self.revisions.pop(key, None)
        if old is not None and new is not None:
            self.revision_grows(key, old, new)
            self.sessions_begin_only_by_login(sender, key, old, new)
            self.registration_is_kept(sender, key, before, after)
            self.blocks_outlive_an_erasure(key, old, new)
        if old is not None and sender.function == "ReceiveEvent":
            self.newer_data_stay(sender, key, old, new or {})
        if old is not None and new is None and sender.function == "EraseUser":
            self.only_the_named_are_erased(sender, key, before, after)
        if new is None:
            self.withdrawn.pop(key, None)
            self.erased[key] = self.world.scheduler.now
            return
        self.consent_is_newer(sender, key, old, new)
        self.blocked_has_no_session(key, new)
        self.session_acts_while_it_lives(sender, key, old, new)
        self.revisions[key] = max(self.revisions.get(key, 0), new["revision"])

    def each_change_has_its_event(self, users: list[Key], before: Items, after: Items) -> None:
        """Each change of a user has its events in the same write, and nothing else has one."""
        law = self.each_change_has_its_event
        written = [(key, item) for key, item in after.items() if key[0].startswith("EVENT#")]
        for key, item in written:
            if before[key] is not None or item is None:
                self.violated(law, f"{key} was written before.")
        details = {(key[0].removeprefix("EVENT#"), key[1]): item for key, item in written}
        for key in users:
            user = key[0].removeprefix("USER#")
            own = {sk: item for (pk, sk), item in details.items() if pk == user}
            found = {
                sk.partition("#user.")[2]: json.loads(item["detail"]) for sk, item in own.items()
            }
            wanted = self._events(key, before[key], after[key]) if self.events else {}
            if found.keys() != wanted.keys():
                self.violated(law, f"{key[0]}: {sorted(found)} instead of {sorted(wanted)}.")
            for detail in found.values():
                if not detail.keys() <= EVENT_KEYS:
                    self.violated(law, f"an event says {sorted(detail.keys() - EVENT_KEYS)}.")
            for kind, facts in wanted.items():
                if not facts.items() <= found[kind].items():
                    self.violated(law, f"{kind} of {key[0]} says {found[kind]}, not {facts}.")
        if len(details) != sum(
            pk == key[0].removeprefix("USER#") for key in users for pk, _ in details
        ):
            self.violated(law, "an event of a user who was not changed.")

    def _events(self, key: Key, old: Item | None, new: Item | None) -> dict[str, dict[str, Any]]:
        """Return the events of a change, each with what its detail must say at least."""
        user = new or old or {}
        _, appid, openid = key[0].split("#", 2)
        usual = {
            "userId": user["userId"],
            "appid": appid,
            "openid": openid,
            "unionid": user.get("unionid"),
            "revision": new["revision"] if new else (old or {})["revision"] + 1,
        }
        if new is None:
            return {"erased": usual}
        if old is None:
            return {"created": usual}
        events: dict[str, dict[str, Any]] = {}
        if old.get("phoneIndex") != new.get("phoneIndex"):
            events["registered" if "phoneIndex" in new else "unregistered"] = usual
        if old.get("blocked") != new.get("blocked"):
            until = {"blockedUntil": new["blocked"].get("endsAt")} if "blocked" in new else {}
            events["blocked" if "blocked" in new else "unblocked"] = {**usual, **until}
        if any(old.get(name) != new.get(name) for name in SHOWN):
            events["updated"] = usual
        if old["userId"] != new["userId"]:
            # To leave linked accounts is to become again who one was.
            left = old.get("linked") and not new.get("linked")
            kind = "updated" if left or not self._was_held(key, new["userId"]) else "merged"
            events[kind] = {**usual, "formerUserId": old["userId"]}
        return events

    def _was_held(self, key: Key, user_id: str) -> bool:
        """Return whether another user had a userId before this write."""
        return any(
            (self._states(other, self.writes - 1)[0] or {}).get("userId") == user_id
            for other in self.states
            if other != key
        )

    def claims_agree(self) -> None:
        """Each claim names users that exist and hold it, and each user's claims name them."""
        items = self.world.dynamodb.items
        law = self.claims_agree
        for key, item in items.items():
            pk, sk = key
            if sk == "PROFILE":
                claims = [f"ID#{item['userId']}"]
                if "phoneIndex" in item:
                    claims.append(f"PHONE#{pk.split('#')[1]}#{item['phoneIndex']}")
                if "unionid" in item:
                    claims.append(f"UNION#{item['unionid']}")
                for claim in claims:
                    if pk not in items.get((claim, "OWNER"), {}).get("owners", ()):
                        self.violated(law, f"{claim} does not name {pk}.")
            elif _is_claim(key):
                owners = [items.get((owner, "PROFILE")) for owner in sorted(item["owners"])]
                self._claim_agrees(pk, item, owners)
        self.shared_ids_are_explained()

    def _claim_agrees(self, pk: str, claim: Item, owners: list[Item | None]) -> None:
        kind, _, rest = pk.partition("#")
        name = {"ID": "userId", "PHONE": "phoneIndex", "UNION": "unionid"}[kind]
        held = rest.rpartition("#")[2]
        for owner in owners:
            if owner is None or owner.get(name) != held:
                self.violated(self.claims_agree, f"{pk} names a user who does not hold it.")
        found = [owner for owner in owners if owner]
        if kind == "PHONE":
            if not 1 <= len(found) <= (MOST_LINKED if self.conflict == "link" else 1):
                self.violated(self.a_number_has_one_holder, f"{pk} has {len(found)}.")
            if any(owner["userId"] != claim["userId"] for owner in found):
                self.violated(self.a_number_has_one_holder, f"{pk} has several userIds.")
        if kind == "UNION":
            own = {owner["userId"] for owner in found if not owner.get("linked")}
            # A linked user comes back to the userId that the claim has.
            linked = any(owner.get("linked") for owner in found)
            if own and claim["userId"] not in own and not linked:
                self.violated(self.claims_agree, f"{pk} has a userId that no owner has.")

    def a_number_has_one_holder(self) -> None:
        """A number has one holder; with `link` it has at most ten, and they have one userId."""

    def shared_ids_are_explained(self) -> None:
        """Users of a mini program share a userId only while they hold the same number."""
        homes: dict[tuple[str, str], list[Item]] = {}
        for (pk, sk), item in self.world.dynamodb.items.items():
            if sk == "PROFILE":
                homes.setdefault((item["userId"], pk.split("#")[1]), []).append(item)
        for (user_id, _), users in homes.items():
            firsts = sum(not user.get("linked") for user in users)
            if len(users) > 1 and (
                firsts != 1 or len({user.get("phoneIndex") for user in users}) > 1
            ):
                self.violated(self.shared_ids_are_explained, f"{user_id} has {len(users)}.")
            if len(users) == 1 and not firsts:
                self.violated(self.shared_ids_are_explained, f"{user_id} is linked to nobody.")

    def each_function_changes_only_its_own(
        self, sender: "Sender", key: Key, old: Item | None, new: Item | None
    ) -> None:
        """Only a login makes a user, few functions erase one, each changes only its part."""
        law, function = self.each_function_changes_only_its_own, sender.function
        if old is None:
            if new is not None and function != "Login":
                self.violated(law, f"{function} made {key[0]}.")
            return
        if new is None:
            if function not in MAY_ERASE:
                self.violated(law, f"{function} erased {key[0]}.")
            return
        changed = {name for name in {*old, *new} if old.get(name) != new.get(name)} - {"revision"}
        if function == "MergeUsers" and sender.event.get("dryRun") is not False:
            self.violated(law, f"a dry run changed {key[0]}.")
        if not changed <= MAY_CHANGE.get(function, set()):
            self.violated(law, f"{function} changed {sorted(changed)} of {key[0]}.")

    def revision_grows(self, key: Key, old: Item, new: Item) -> None:
        """The revision of a user grows with each change but logins and sessions."""
        changed = {name for name in {*old, *new} if old.get(name) != new.get(name)}
        grown = new["revision"] > self.revisions.get(key, 0)
        if changed - WITHOUT_REVISION and not grown:
            self.violated(self.revision_grows, f"{key[0]}: {sorted(changed)}.")

    def a_person_has_one_user_id(self, key: Key, before: Items, new: Item) -> None:
        """A person who is known in another mini program gets the same userId in a new one."""
        known = before.get((f"UNION#{new.get('unionid')}", "OWNER"))
        if known and known["userId"] != new["userId"]:
            self.violated(self.a_person_has_one_user_id, f"{key[0]}.")

    def the_blocked_stay_out(self, key: Key, new: Item) -> None:
        """No user is made for an openid, or for a person, that the team has blocked."""
        surely = self.world.scheduler.now + self.skew
        if self._outlived(key).get("expiresAt", 0) > surely:
            self.violated(self.the_blocked_stay_out, f"{key[0]}.")
        for other, states in self.states.items():
            item = states[-1].item
            if item and other != key and "unionid" in new and item.get("unionid") == new["unionid"]:
                blocked = item.get("blocked")
                if blocked and blocked.get("endsAt", float("inf")) > surely:
                    self.violated(self.the_blocked_stay_out, f"{key[0]}, known as {other[0]}.")

    def sessions_begin_only_by_login(
        self, sender: "Sender", key: Key, old: Item, new: Item
    ) -> None:
        """Only a login adds a session or removes those over ten; none that has ended goes on."""
        law, function = self.sessions_begin_only_by_login, sender.function
        former, present = old.get("sessions", {}), new.get("sessions", {})
        for sid in former.keys() & present.keys():
            ended = self._end_of(old, sid) + self.skew < sender.started_at
            if ended and present[sid] != former[sid]:
                self.violated(law, f"{function} extended one of {key[0]}.")
        added, removed = present.keys() - former.keys(), former.keys() - present.keys()
        if added and (function != "Login" or len(added) > 1):
            self.violated(law, f"{function} added {len(added)} sessions to {key[0]}.")
        # Two logins may both find more than ten, and the second removes what it found.
        found = [len((item or {}).get("sessions", {})) for item in self._states(key, sender.mark)]
        if removed and function == "Login" and max(found) <= MOST_SESSIONS:
            self.violated(law, f"Login removed {len(removed)} of {len(former)}.")
        if removed and function == "Login" and len(present) > MOST_SESSIONS:
            self.violated(law, f"Login left {len(present)}.")

    def registration_is_kept(self, sender: "Sender", key: Key, before: Items, after: Items) -> None:
        """A registration ends only by a newer number, a newer owner, withdrawal or erasure."""
        law, old, new = self.registration_is_kept, before[key] or {}, after[key] or {}
        if "phoneIndex" not in old or new.get("phoneIndex") == old["phoneIndex"]:
            return
        if sender.function == "ReceiveEvent":
            return  # `withdrawal_is_obeyed` looks at it.
        taker = next(
            (
                each
                for at, each in after.items()
                if each
                and at[1] == "PROFILE"
                and each.get("phoneIndex") == old["phoneIndex"]
                # Not one who has shared the number before.
                and (before[at] or {}).get("phoneIndex") != old["phoneIndex"]
            ),
            new,
        )
        if taker.get("registeredAt", 0) < old["registeredAt"]:
            self.violated(law, f"{key[0]} lost a number to an older consent.")
        if taker is not new and self.conflict != "transfer":
            self.violated(law, f"{key[0]} lost a number under `{self.conflict}`.")

    def blocks_outlive_an_erasure(self, key: Key, old: Item, new: Item) -> None:
        """A block is also written where it outlives the user."""
        blocked = new.get("blocked")
        if not blocked or blocked == old.get("blocked"):
            return
        # A second block in the same second leaves the item as it is.
        ends_at = blocked.get("endsAt", self.world.scheduler.now + 365 * DAY)
        if self._outlived(key).get("expiresAt", 0) < ends_at:
            self.violated(self.blocks_outlive_an_erasure, f"{key[0]}.")

    def newer_data_stay(self, sender: "Sender", key: Key, old: Item, new: Item) -> None:
        """A push of WeChat's removes nothing that the user gave after it."""
        law, pushed = self.newer_data_stay, sender.event["simulation"]
        at = int(pushed["CreateTime"])
        if not new and old["createdAt"] > at + self.skew:
            self.violated(law, f"{key[0]} was erased.")
        lost = {"registeredAt": "phoneIndex", "nicknameSetAt": "nickname"}
        for since, what in lost.items():
            if new and what in old and what not in new and old.get(since, 0) > at:
                self.violated(law, f"{key[0]} lost the {what}.")

    def only_the_named_are_erased(
        self, sender: "Sender", key: Key, before: Items, after: Items
    ) -> None:
        """An operator's erasure removes only accounts that have the name which was given."""
        event, old = sender.event, before[key] or {}
        gone = [item for at, item in before.items() if item and after[at] is None]
        users = [item for item in gone if "userId" in item and "createdAt" in item]
        wrong = "userId" in event and old["userId"] != event["userId"]
        if "phone" in event:
            index = self._index(event["phone"])
            wrong = all(item.get("phoneIndex") != index for item in users)
        if wrong:
            self.violated(self.only_the_named_are_erased, f"{key[0]}.")

    def consent_is_newer(self, sender: "Sender", key: Key, old: Item | None, new: Item) -> None:
        """A number is bound only if WeChat gave it for this user, after any withdrawal."""
        if "phoneIndex" not in new or new.get("phoneIndex") == (old or {}).get("phoneIndex"):
            return
        law, openid = self.consent_is_newer, key[0].rpartition("#")[2]
        given = {each.index for each in self.deliveries.values() if each.openid == openid}
        if sender.function != "RegisterPhone" or new["phoneIndex"] not in given:
            self.violated(law, f"{sender.function} bound a number to {key[0]}.")
        if new["registeredAt"] <= self.withdrawn.get(key, 0):
            self.violated(law, f"{key[0]} has a number that was withdrawn.")

    def blocked_has_no_session(self, key: Key, new: Item) -> None:
        """A user who is blocked has no session."""
        blocked = new.get("blocked")
        if not blocked or not new.get("sessions"):
            return
        if blocked.get("endsAt", float("inf")) > self.world.scheduler.now + self.skew:
            self.violated(self.blocked_has_no_session, f"{key[0]}.")

    def session_acts_while_it_lives(
        self, sender: "Sender", key: Key, old: Item | None, new: Item
    ) -> None:
        """What a session changes is written only while the session lives."""
        if sender.function not in ("RegisterPhone", "UpdateAccount") or old is None:
            return
        own, sid = self._credential(sender.event)
        changed = {name for name in {*old, *new} if old.get(name) != new.get(name)}
        if key == own and changed - {"sessions"} and sid not in old.get("sessions", {}):
            self.violated(self.session_acts_while_it_lives, f"{sender.function}, {key[0]}.")

    def codes_are_few(self, item: Item | None) -> None:
        """A user tries at most five phone codes in ten minutes."""
        if item is not None and len(item.get("proofs", {})) > MOST_CODES:
            self.violated(self.codes_are_few, f"{len(item['proofs'])}.")

    def nothing_secret_is_stored(self, after: Items) -> None:
        """No code, session, token or number is stored in clear."""
        text = repr(list(after.values()))
        for secret, what in self.secrets.items():
            if secret in text:
                self.violated(self.nothing_secret_is_stored, f"{what}.")

    # WeChat.

    def wechat_acted(
        self, sender: "Sender", request: "WeChatRequest", answer: "WeChatAnswer"
    ) -> None:
        """Check a call of WeChat's after WeChat has acted."""
        body = json.loads(request.body) if request.body else {}
        sender.outcomes.append(answer.outcome)
        if request.path == LOGIN_API:
            sender.identity = json.loads(answer.body) if answer.outcome == "0" else {}
            self.a_code_is_sent_once(sender, request.query["js_code"], answer)
        elif request.path == PHONE_API:
            self.a_code_is_sent_once(sender, body["code"], answer)
            self.one_request_tries_a_code(sender, body["code"])
            self._phone_code(sender, body, answer)
        elif request.path == TOKEN_API and body["force_refresh"] and answer.outcome != "-1":
            self.forced_refreshes_are_rare(body["appid"])
        if answer.outcome in ("40001", "40014", "42001"):
            appid = self.world.asked(request)
            self.rejections[appid] = self.rejections.get(appid, 0) + 1
        token = request.query.get("access_token")
        if token:
            self.secrets[token] = "access token"

    def a_code_is_sent_once(self, sender: "Sender", code: str, answer: "WeChatAnswer") -> None:
        """A request that may have reached WeChat with a code is not sent again."""
        if code in sender.sent:
            self.violated(self.a_code_is_sent_once, f"{sender.function}.")
        if answer.outcome not in ("-1", "40001", "40014", "42001"):
            sender.sent.add(code)

    def _phone_code(
        self, sender: "Sender", body: Mapping[str, Any], answer: "WeChatAnswer"
    ) -> None:
        delivery = self.deliveries.setdefault(body["code"], Delivery())
        if body.get("openid") != self._credential(sender.event)[0][0].rpartition("#")[2]:
            self.violated(self.a_code_belongs_to_its_user, f"{sender.function}.")
        user = self._credential(sender.event)[0]
        proof = _proof(body["code"])
        if all(
            (item or {}).get("phoneCodeHash") == proof for item in self._states(user, sender.mark)
        ):
            self.violated(self.a_bound_code_is_not_sent_again, f"{user}.")
        if answer.outcome == "0":
            info = json.loads(answer.body)["phone_info"]
            delivery.openid = body["openid"]
            delivery.given_at = info["watermark"]["timestamp"]
            delivery.index = self._index(f"+{info['countryCode']}{info['purePhoneNumber']}")
            sender.paid = True
            self.secrets[info["purePhoneNumber"]] = "phone number"
        elif answer.outcome in ("40029", "40013"):
            delivery.refused = True

    def a_bound_code_is_not_sent_again(self) -> None:
        """WeChat is not asked again about a code whose number is bound."""

    def one_request_tries_a_code(self, sender: "Sender", code: str) -> None:
        """Only one request at a time asks WeChat about a phone code."""
        others = self.tries.setdefault(_proof(code), [])
        if any(each is not sender and each.ended_at == float("inf") for each in others):
            self.violated(self.one_request_tries_a_code, f"{sender.function}.")
        others.append(sender)

    def _codes_freed(self, sender: "Sender", old: Item | None, new: Item | None) -> None:
        """Forget a request's try when it has freed the code, though it has not answered yet."""
        freed = {proof for proof, until in (new or {}).get("proofs", {}).items() if until <= 0}
        for proof in freed:
            if (old or {}).get("proofs", {}).get(proof, 0) > 0:
                tries = self.tries.get(proof, [])
                self.tries[proof] = [each for each in tries if each is not sender]

    def a_code_belongs_to_its_user(self) -> None:
        """WeChat is asked for a number with the openid of the session."""

    def forced_refreshes_are_rare(self, appid: str) -> None:
        """A forced refresh follows a rejection, 30 seconds and at most 20 a day apart."""
        law, now = self.forced_refreshes_are_rare, self.world.scheduler.now
        times = self.forced.setdefault(appid, [])
        if times and now - times[-1] < FORCED_APART - 2 * self.skew - 10:
            self.violated(law, f"{now - times[-1]:.1f} seconds apart.")
        times.append(now)
        if sum(at > now - DAY for at in times) > 2 * FORCED_A_DAY:
            self.violated(law, "too many.")
        if not self.rejections.get(appid):
            self.violated(law, "without a rejection.")

    # Of each answer.

    def invoked(self, sender: "Sender", answer: Any, error: BaseException | None) -> None:
        """Check what an invocation answered, and what it printed."""
        said = self._said(sender, answer, error)
        if sender.killed:
            self.log.clear()
            return
        if said.status == OK and isinstance(said.data, dict) and said.data.get("session"):
            self.secrets[said.data["session"].rpartition(".")[2]] = "session"
        self.nothing_secret_is_said(said)
        self.nothing_fails_without_a_fault(said, error)
        if said.key is not None:
            self.sessions_answer_truly(said)
        check = getattr(self, f"_{sender.function}", None)
        if check is not None:
            check(said)

    def nothing_secret_is_said(self, said: Said) -> None:
        """No secret is in a log line, and none but the caller's own in an answer."""
        law, printed = self.nothing_secret_is_said, "".join(self.log)
        self.log.clear()
        answered = json.dumps(said.body, ensure_ascii=False)
        for secret, what in self.secrets.items():
            if secret in printed:
                self.violated(law, f"{said.sender.function} prints a {what}.")
            owned = (what == "session" and said.sender.function == "Login") or (
                what == "phone number" and said.sender.function == "FindUser"
            )
            if not owned and secret in answered:
                self.violated(law, f"{said.sender.function} answers with a {what}.")

    def nothing_fails_without_a_fault(self, said: Said, error: BaseException | None) -> None:
        """No answer is 5xx, and no function fails, without a fault."""
        if said.status < SERVER_ERROR:
            return
        ours = said.code in ("internal", "misconfigured", "?")
        if said.sender.faults and not ours:
            return
        disturbed = bool(self.world.faults.happened) or bool(self.world.outages)
        disturbed |= self.world.tokens_are_rejected
        if said.sender.function in WITH_TOKEN and disturbed and said.code == "wechat_unavailable":
            return
        self.violated(
            self.nothing_fails_without_a_fault,
            f"{said.sender.function}: {said.status} {said.code} {error or ''}",
        )

    def sessions_answer_truly(self, said: Said) -> None:
        """A session is accepted only if it lived while the request ran, refused only if not."""
        law, sid = self.sessions_answer_truly, said.sid
        states = self._states(said.key, said.sender.mark)
        started, now = said.sender.started_at, self.world.scheduler.now
        ends = [self._end_of(item, sid) for item in states]
        if said.status == OK and not any(end + self.skew > started for end in ends):
            self.violated(law, f"{said.sender.function} accepts a session that has ended.")
        refused = said.code == "session_invalid"
        if refused and all(end - self.skew > now for end in ends):
            self.violated(law, f"{said.sender.function} refuses a session that lives.")
        # Nobody joins an account that is blocked.
        joined = self.conflict == "link" and said.sender.function == "RegisterPhone"
        others = [item for key in self.states for item in self._states(key, said.sender.mark)]
        concerned = others if joined else states
        if said.code == "user_blocked" and not any(self._is_blocked(each) for each in concerned):
            self.violated(law, f"{said.sender.function} refuses a user who is not blocked.")
        if said.code == "session_mismatch":
            asked = json.loads(said.sender.event.get("body") or "{}").get("openid")
            if asked == said.key[0].rpartition("#")[2]:
                self.violated(law, f"{said.sender.function} takes a user for another.")

    def tokens_tell_the_truth(self, said: Said, token: str | None, key: Key, sid: str) -> None:
        """A token says what was true of its user and session while the request ran."""
        law = self.tokens_tell_the_truth
        states = [item for item in self._states(key, said.sender.mark) if item]
        if token is None:
            if not any(self.phone_required and "phoneIndex" not in item for item in states):
                self.violated(law, f"{said.sender.function} keeps a token back.")
            return
        self.secrets[token] = "token"
        claims = _claims(token)
        for item in states:
            fits = (
                claims["sub"] == item["userId"]
                and claims["phone_number_verified"] is ("phoneIndex" in item)
                and claims["roles"] == sorted(item.get("roles", ()))
                and sid in item.get("sessions", {})
            )
            if fits:
                break
        else:
            self.violated(law, f"{said.sender.function}: {claims['sub']}.")
        _, appid, openid = key[0].split("#", 2)
        if (claims["sid"], claims["openid"], claims["client_id"], claims["aud"]) != (
            sid,
            openid,
            appid,
            appid,
        ):
            self.violated(law, f"{said.sender.function} names another user.")
        if self.phone_required and not claims["phone_number_verified"]:
            self.violated(law, f"{said.sender.function} gives a token without a number.")
        self.signing_keys_are_known(token)

    def signing_keys_are_known(self, token: str) -> None:
        """A key signs only after verifiers had a day to fetch it."""
        since = self.published.get(_header(token)["kid"], float("inf"))
        if self.world.scheduler.now - since < DAY - 2 * self.skew:
            self.violated(self.signing_keys_are_known, "")

    def keys_published(self, text: str, since: float) -> None:
        """Note the signing keys that are published, and since when; a key that is gone too."""
        kids = {str(key["kid"]) for key in json.loads(text)["keys"]}
        self.published = {kid: self.published.get(kid, since) for kid in kids}

    # Of the answers of single functions: `_<function>`.

    def _Login(self, said: Said) -> None:  # noqa: N802 - named after the function
        body = json.loads(said.sender.event["body"])
        if said.status == OK:
            self.logins_let_in_the_right_user(said, body)
            self.a_known_login_is_one_write(said)
        elif said.code == "user_blocked":
            self.logins_refuse_only_blocked_users(said, body["code"])
        elif said.code == "code_rejected":
            self.login_codes_are_rejected_by_wechat(said)

    def logins_let_in_the_right_user(self, said: Said, body: Mapping[str, Any]) -> None:
        """A login opens a session for the code's owner, who is not blocked."""
        law, data = self.logins_let_in_the_right_user, said.data
        appid, openid, secret = data["session"].split(".", 2)
        owner = self.world.wechat.mini_program(appid).login_codes.find(body["code"]).owner
        if (owner.appid, owner.openid) != (appid, openid) or openid != data["openid"]:
            self.violated(law, f"the session of {openid} for a code of {owner.user}.")
        key, sid = (f"USER#{appid}#{openid}", "PROFILE"), _sid(secret)
        states = self._states(key, said.sender.mark)
        if not any(item and sid in item.get("sessions", {}) for item in states):
            self.violated(law, "the session is not in the table.")
        if not any(item and data["registered"] is ("phoneIndex" in item) for item in states):
            self.violated(law, "`registered` is wrong.")
        given = said.sender.identity.get("unionid", data["unionid"])
        if not any(item and item.get("unionid") == data["unionid"] == given for item in states):
            self.violated(law, "`unionid` is wrong.")
        self.tokens_tell_the_truth(said, data["token"], key, sid)
        writers = [each.writer for each in self.states[key] if each.since > said.sender.mark]
        if all(writer is said.sender for writer in writers) and not said.sender.faults:
            left = (states[-1] or {}).get("sessions", {})
            if states[-1] and (sid not in left or len(left) > MOST_SESSIONS):
                self.violated(self.sessions_are_few, f"{len(left)}.")

    def sessions_are_few(self) -> None:
        """A login leaves at most ten sessions, the new one among them."""

    def login_codes_are_rejected_by_wechat(self, said: Said) -> None:
        """A login code is rejected only if WeChat rejects it."""
        if not {"40029", "40163"} & set(said.sender.outcomes):
            self.violated(self.login_codes_are_rejected_by_wechat, f"{said.sender.outcomes}")

    def a_known_login_is_one_write(self, said: Said) -> None:
        """The login of a known user costs one call of DynamoDB and one of WeChat."""
        sender, data = said.sender, said.data
        appid, openid, _ = data["session"].split(".", 2)
        states = self._states((f"USER#{appid}#{openid}", "PROFILE"), sender.mark)
        first = states[0]
        usual = (
            not sender.faults
            and first
            and not first.get("blocked")
            and first.get("unionid") == data["unionid"]
            and len(first["sessions"]) < MOST_SESSIONS
            and len(states) == 2
        )
        calls = [call for call in sender.calls if not call.startswith("ssm")]
        if usual and sorted(calls) != ["dynamodb UpdateItem", f"wechat {LOGIN_API}"]:
            self.violated(self.a_known_login_is_one_write, f"{calls}")

    def logins_refuse_only_blocked_users(self, said: Said, code: str) -> None:
        """A login is refused as blocked only if the team or WeChat has blocked the person."""
        owner = next(app.login_codes.find(code).owner for app in self.world.wechat.mini_programs())
        marked = said.sender.mark
        keys = [
            (f"USER#{app.appid}#{app.person(owner.account).openid}", "PROFILE")
            for app in self.world.wechat.mini_programs()
        ]
        blocked = any(self._is_blocked(item) for key in keys for item in self._states(key, marked))
        outlived = any(self._outlived(key) for key in keys) or self.lifted > marked
        if not (blocked or outlived or "40226" in said.sender.outcomes):
            self.violated(self.logins_refuse_only_blocked_users, f"{owner.user}.")

    def _LookUpToken(self, said: Said) -> None:  # noqa: N802 - named after the function
        if said.status == OK and said.key:
            self.tokens_tell_the_truth(said, said.data, said.key, said.sid)
            self.a_look_up_is_one_read(said)
            self.use_extends_a_session(said)

    def use_extends_a_session(self, said: Said) -> None:
        """A session that is used ends a month after this day, not after an earlier one."""
        times = (
            (self._states(said.key, said.sender.mark)[-1] or {}).get("sessions", {}).get(said.sid)
        )
        if times and times["usedAt"] < said.sender.started_at - DAY - 2 * self.skew:
            self.violated(self.use_extends_a_session, f"{said.key}.")

    def a_look_up_is_one_read(self, said: Said) -> None:
        """The look-up of a token costs one read, and once a day a write."""
        calls = [call for call in said.sender.calls if call.startswith("dynamodb")]
        if not said.sender.faults and calls not in (
            ["dynamodb GetItem"],
            ["dynamodb GetItem", "dynamodb UpdateItem"],
        ):
            self.violated(self.a_look_up_is_one_read, f"{calls}")

    def _RegisterPhone(self, said: Said) -> None:  # noqa: N802 - named after the function
        if said.key is None:
            return
        body = json.loads(said.sender.event["body"])
        delivery = self.deliveries.get(body.get("code", ""))
        if said.status == OK:
            self.registrations_are_written(said, delivery)
            self.tokens_tell_the_truth(said, said.data, said.key, said.sid)
        elif said.code == "code_rejected" and "code" in body:
            self.codes_are_rejected_with_a_reason(said, delivery or Delivery())
        elif said.code == "phone_taken":
            self.numbers_are_taken_only_by_others(said, delivery)
        elif said.code == "too_many_attempts":
            self.waits_have_a_reason(said)
        elif said.code == "storage_unavailable" and said.sender.paid:
            self.what_is_paid_for_is_not_lost(said)

    def registrations_are_written(self, said: Said, delivery: Delivery | None) -> None:
        """A registration that is answered is in the table, with the number that WeChat gave."""
        openid = said.key[0].rpartition("#")[2]
        if delivery is not None and delivery.openid == openid:
            given = {delivery.index}
        else:
            given = {each.index for each in self.deliveries.values() if each.openid == openid}
        states = self._states(said.key, said.sender.mark)
        if not any(item and item.get("phoneIndex", "none") in given for item in states):
            self.violated(self.registrations_are_written, f"{said.key[0]}.")

    def codes_are_rejected_with_a_reason(self, said: Said, delivery: Delivery) -> None:
        """A phone code is rejected only if WeChat or a newer consent rejects it."""
        if delivery.refused:
            return
        claim = (f"PHONE#{said.key[0].split('#')[1]}#{delivery.index}", "OWNER")
        owners = self.world.dynamodb.items.get(claim, {}).get("owners", ())
        keys = [said.key, *((owner, "PROFILE") for owner in owners)]
        theirs = [item for key in keys for item in self._states(key, said.sender.mark) if item]
        newer = any(
            item.get("registeredAt", 0) > delivery.given_at
            or item.get("phoneRemovedAt", -1) >= delivery.given_at
            for item in theirs
        )
        others = [
            state.item
            for key, states in self.states.items()
            for state in states
            if key != said.key
            and state.item
            and state.item.get("phoneIndex") == delivery.index
            and (self.conflict != "transfer" or state.item["registeredAt"] > delivery.given_at)
        ]
        if not newer and not others:
            self.violated(self.codes_are_rejected_with_a_reason, f"{said.key[0]}.")
        # A code that was rejected stays rejected, also after the account was erased and made anew.
        delivery.refused = True

    def numbers_are_taken_only_by_others(self, said: Said, delivery: Delivery | None) -> None:
        """`phone_taken` is answered only if another user had the number."""
        taken = delivery is None or any(
            item and item.get("phoneIndex") == delivery.index
            for key in self.states
            if key != said.key
            for item in self._states(key, said.sender.mark)
        )
        if self.conflict == "transfer" or not taken:
            self.violated(self.numbers_are_taken_only_by_others, f"{said.key[0]}.")

    def what_is_paid_for_is_not_lost(self, said: Said) -> None:
        """If WeChat gave a number that cannot be written, the answer has a receipt."""
        if not said.body["error"].get("receipt"):
            self.violated(self.what_is_paid_for_is_not_lost, f"{said.key}.")

    def waits_have_a_reason(self, said: Said) -> None:
        """A registration must wait only if its code is in use, or five codes were tried."""
        code = json.loads(said.sender.event["body"]).get("code", "")
        full = any(
            len(item["proofs"]) >= MOST_CODES
            for (pk, _), item in self.world.dynamodb.items.items()
            if pk.startswith("ATTEMPTS#")
        )
        busy_since = said.sender.started_at - BUSY_SECONDS - 2 * self.skew
        in_use = any(
            each is not said.sender and each.ended_at > busy_since and code in each.event["body"]
            for each in self.registrations
        )
        # If the answer to its reservation is lost, a request finds the code in use by itself.
        if not code or not (full or in_use or said.sender.faults):
            self.violated(self.waits_have_a_reason, f"{said.key}.")

    def _Authorize(self, said: Said) -> None:  # noqa: N802 - named after the function
        token = said.sender.event["headers"]["authorization"].removeprefix("Bearer ")
        self.the_authorizer_is_right(said, _claims(token))

    def the_authorizer_is_right(self, said: Said, claims: Mapping[str, Any]) -> None:
        """A token is accepted only if it was true while the request ran, refused only if not."""
        law = self.the_authorizer_is_right
        key = (f"USER#{claims['client_id']}#{claims['openid']}", "PROFILE")
        started, now = said.sender.started_at, self.world.scheduler.now
        in_time = claims["exp"] + self.skew > started
        surely_in_time = claims["exp"] - self.skew > now
        true = [
            item is not None
            and claims["sub"] == item["userId"]
            and (not claims["phone_number_verified"] or "phoneIndex" in item)
            for item in self._states(key, said.sender.mark)
        ]
        ends = [self._end_of(item, claims["sid"]) for item in self._states(key, said.sender.mark)]
        live = [end + self.skew > started for end in ends]
        surely = [end - self.skew > now for end in ends]
        allowed = said.status == OK
        if allowed and not (in_time and any(map(all, zip(true, live, strict=True)))):
            self.violated(law, f"accepts a token of {key[0]}.")
        refused = said.status in (401, 403)
        if refused and surely_in_time and all(map(all, zip(true, surely, strict=True))):
            self.violated(law, f"refuses a token of {key[0]}.")

    def _LogOut(self, said: Said) -> None:  # noqa: N802 - named after the function
        if said.status != OK or said.key is None:
            return
        if json.loads(said.sender.event.get("body") or "{}").get("everywhere"):
            self.all_sessions_end(said, [said.key])
        elif self._end_of(self._states(said.key, self.writes)[-1], said.sid) and not (
            self._came_late(said.key, said.sid, said.sender.mark)
        ):
            self.violated(self.sessions_end_when_asked, f"{said.key[0]}.")

    def sessions_end_when_asked(self) -> None:
        """After a log-out is answered, its session has ended."""

    def all_sessions_end(self, said: Said, keys: list[Key]) -> None:
        """After a log-out everywhere is answered, no session from before it lives."""
        for key in self._same_account(said.sender.mark, keys):
            states = self._states(key, said.sender.mark)
            before, after = states[0] or {}, states[-1] or {}
            left = before.get("sessions", {}).keys() & after.get("sessions", {}).keys()
            if any(not self._came_late(key, sid, said.sender.mark) for sid in left):
                self.violated(self.all_sessions_end, f"{len(left)} of {key[0]}.")

    def _EndSessions(self, said: Said) -> None:  # noqa: N802 - named after the function
        if said.status == OK:
            self.all_sessions_end(said, self._meant(said))

    def _EraseAccount(self, said: Said) -> None:  # noqa: N802 - named after the function
        if said.status == OK and said.key is not None:
            self.the_erased_are_gone(said, [said.key])

    def _EraseUser(self, said: Said) -> None:  # noqa: N802 - named after the function
        if said.status == OK and "openid" in said.sender.event:
            self.the_erased_are_gone(said, self._meant(said))

    def the_erased_are_gone(self, said: Said, keys: list[Key]) -> None:
        """After an erasure is answered, the account as it was does not exist any more."""
        for key in self._same_account(said.sender.mark, keys):
            states = self._states(key, said.sender.mark)
            changed = len({(item["userId"], item.get("phoneIndex")) for item in states if item}) > 1
            if None not in states and not changed:
                self.violated(self.the_erased_are_gone, f"{key[0]}.")

    def _UpdateUser(self, said: Said) -> None:  # noqa: N802 - named after the function
        event = said.sender.event
        if said.status != OK:
            return
        for each in said.body["users"]:
            key = (f"USER#{each['appid']}#{each['openid']}", "PROFILE")
            states = [item for item in self._states(key, said.sender.mark) if item]
            if states:
                self.operators_are_obeyed(event, key, states)

    def operators_are_obeyed(self, event: Mapping[str, Any], key: Key, states: list[Item]) -> None:
        """After an operator's change is answered, the user was as the operator decided."""
        law = self.operators_are_obeyed
        blocked = event.get("blocked")
        if blocked is not None and not any(bool(item.get("blocked")) is blocked for item in states):
            self.violated(law, f"blocked={blocked} of {key[0]}.")
        roles = event.get("roles")
        if roles is not None and not any(
            sorted(item.get("roles", ())) == sorted(roles) for item in states
        ):
            self.violated(law, f"roles of {key[0]}.")

    def _ReceiveEvent(self, said: Said) -> None:  # noqa: N802 - named after the function
        pushed = said.sender.event["simulation"]
        if said.status != OK:
            return
        key = (f"USER#{pushed['AppID']}#{pushed['OpenID']}", "PROFILE")
        states = self._states(key, said.sender.mark)
        self.withdrawal_is_obeyed(pushed, key, states)
        if "8" in pushed.get("RevokeInfo", "") and None not in states:
            self.withdrawn[key] = max(int(pushed["CreateTime"]), self.withdrawn.get(key, 0))

    def withdrawal_is_obeyed(
        self, pushed: Mapping[str, Any], key: Key, states: list[Item | None]
    ) -> None:
        """After WeChat's push is answered, what the user has withdrawn is gone, newer data stay."""
        law, at = self.withdrawal_is_obeyed, int(pushed["CreateTime"])
        if None in states:
            return
        users = [item for item in states if item]
        if pushed["Event"] == "user_authorization_cancellation":
            if all(item["createdAt"] <= at - self.skew for item in users):
                self.violated(law, f"{key[0]} still exists.")
            return
        revoked = pushed.get("RevokeInfo", "6").split(",")
        if "8" in revoked and users[-1].get("registeredAt", at + 1) <= at:
            self.violated(law, f"{key[0]} still has the number.")
        if "6" in revoked and all(item.get("nicknameSetAt", at + 1) <= at for item in users):
            self.violated(law, f"{key[0]} still has the nickname.")

    # At the end.

    def everybody_gets_in(self, user: str, failure: str) -> None:
        """When all is quiet again, each person can log in and register the number they have."""
        self.violated(self.everybody_gets_in, f"{user}: {failure}.")

    # What the laws need.

    def may_be_refused(self, user: str) -> bool:
        """Return whether the team or WeChat blocks a person, in any mini program."""
        wechat = self.world.wechat
        people = [wechat.person(user, app.appid) for app in wechat.mini_programs()]
        keys = [(f"USER#{each.appid}#{each.openid}", "PROFILE") for each in people]
        last = [self.states[key][-1].item for key in keys if key in self.states]
        blocked = any((item or {}).get("blocked") for item in last)
        outlived = any(self._outlived(key) for key in keys)
        return blocked or outlived or people[0].blocked

    def _said(self, sender: "Sender", answer: Any, error: BaseException | None) -> Said:
        function, event = sender.function, sender.event
        key, sid = (None, "")
        if function not in ("Login", "Authorize", "ReceiveEvent", "PublishKeys"):
            key, sid = self._credential(event)
        if error is not None:
            return Said(
                sender, getattr(error, "status", 500), getattr(error, "code", "?"), "", key, sid
            )
        if isinstance(answer, dict) and "statusCode" in answer:
            text = answer["body"]
            body = json.loads(text) if text[:1] == "{" else text
            failure = body.get("error") if isinstance(body, dict) else None
            code = failure["code"] if failure else ""
            return Said(sender, answer["statusCode"], code, body, key, sid)
        if isinstance(answer, dict) and answer.get("isAuthorized") is False:
            return Said(sender, 403, "", answer, key, sid)
        return Said(sender, OK, "", answer, key, sid)

    def _credential(self, event: Mapping[str, Any]) -> tuple[Key | None, str]:
        """Return the user and the sid of the session in a request; None if it is none."""
        context = (event.get("requestContext") or {}).get("authorizer", {}).get("lambda")
        if context:
            return (f"USER#{context['appid']}#{context['openid']}", "PROFILE"), context["sid"]
        scheme, _, text = (event.get("headers") or {}).get("authorization", "").partition(" ")
        parts = text.split(".", 2)
        if scheme != "Bearer" or len(parts) < 3 or not text.startswith("wx"):
            return None, ""
        return (f"USER#{parts[0]}#{parts[1]}", "PROFILE"), _sid(parts[2])

    def _states(self, key: Key | None, mark: int) -> list[Item | None]:
        """Return the states of a user since a number of writes, the one at that time first."""
        states = self.states.get(key, [State(0, None)]) if key else [State(0, None)]
        before = [state.item for state in states if state.since <= mark][-1:]
        return [*before, *(state.item for state in states if state.since > mark)]

    def _end_of(self, item: Item | None, sid: str) -> float:
        """Return when a session ends; 0 if it does not exist."""
        times = (item or {}).get("sessions", {}).get(sid)
        if times is None:
            return 0.0
        return float(min(times["usedAt"] + self.lifetime, times["createdAt"] + LONGEST_LIFE))

    def _came_late(self, key: Key, sid: str, mark: int) -> bool:
        """Return whether a session has ended since a number of writes, and came back.

        A login's first try may be under way for seconds after its sender has given up, and its
        second try has opened the session: if the session ends meanwhile, the first opens it again.
        """
        ended = False
        for state in self.states[key]:
            if state.since > mark and sid not in (state.item or {}).get("sessions", {}):
                ended = True
            elif ended:
                writer = state.writer
                return bool(writer) and writer.function == "Login" and LATE in writer.faults
        return False

    def _is_blocked(self, item: Item | None) -> bool:
        blocked = (item or {}).get("blocked")
        ends_at = blocked.get("endsAt", float("inf")) if blocked else 0.0
        return bool(ends_at + 2 * self.skew > self.world.scheduler.now)

    def _outlived(self, key: Key) -> Item:
        """Return the item of an openid's block that outlives its user, or an empty one."""
        _, appid, openid = key[0].split("#", 2)
        block = f"BLOCK#{appid}#{self._index(f'block {openid}')}", "OPENID"
        return self.world.dynamodb.items.get(block, {})

    def _meant(self, said: Said) -> list[Key]:
        """Return the user that an operator names by openid."""
        event = said.sender.event
        if "openid" not in event:
            return []
        appid = event.get("appid", self.world.wechat.appid)
        return [(f"USER#{appid}#{event['openid']}", "PROFILE")]

    def _same_account(self, mark: int, keys: list[Key]) -> Iterator[Key]:
        """Return the users and all who shared their userId all the time, in the mini program."""
        for key in keys:
            yield key
            ids = {(item or {}).get("userId") for item in self._states(key, mark)}
            for other in self.states if len(ids) == 1 and None not in ids else ():
                theirs = {(item or {}).get("userId") for item in self._states(other, mark)}
                if other != key and theirs == ids and _appid(other) == _appid(key):
                    yield other

    def _index(self, value: str) -> str:
        sealing = self.world.layer.module("wechat_login.storage.sealing")
        text = next(
            value for name, value in self.world.ssm.values.items() if name.endswith("sealing-key")
        )
        return str(sealing.Keyring.from_json(text).blind_index(value))


def _is_claim(key: Key) -> bool:
    return key[0].startswith(("ID#", "PHONE#", "UNION#"))


def _appid(key: Key) -> str:
    return key[0].split("#")[1]


def _sid(secret: str) -> str:
    return base64.urlsafe_b64encode(sha256(secret.encode()).digest()).rstrip(b"=").decode()


def _proof(code: str) -> str:
    return sha256(code.encode()).hexdigest()


def _claims(token: str) -> dict[str, Any]:
    return _part(token, 1)


def _header(token: str) -> dict[str, Any]:
    return _part(token, 0)


def _part(token: str, at: int) -> dict[str, Any]:
    part = token.split(".")[at]
    content: dict[str, Any] = json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))
    return content
