"""Reads the table, and checks that its claims agree with its users."""


def read_all(dynamodb, table):
    """Return every item by its key; sets sorted, numbers as integers."""
    request, items = {"TableName": table, "ConsistentRead": True}, []
    while True:
        page = dynamodb.scan(**request)
        items += [{name: _plain(value) for name, value in raw.items()} for raw in page["Items"]]
        if "LastEvaluatedKey" not in page:
            return {(item["pk"], item["sk"]): item for item in items}
        request["ExclusiveStartKey"] = page["LastEvaluatedKey"]


def _plain(value):
    ((kind, content),) = value.items()
    if kind == "M":
        return {name: _plain(each) for name, each in content.items()}
    return int(content) if kind == "N" else sorted(content) if kind == "SS" else content


def without_counters(items):
    """Leave out locks and counters, which hold no data of users."""
    counters = ("ATTEMPTS#", "BLOCK#", "EVENT#", "LOCK#", "WECHAT#")
    return {key: item for key, item in items.items() if not key[0].startswith(counters)}


def profiles(items):
    return {pk: item for (pk, sk), item in items.items() if sk == "PROFILE"}


def phone_claims(items):
    return {pk: item for (pk, _), item in items.items() if pk.startswith("PHONE#")}


def id_claims(items):
    return {pk: item for (pk, _), item in items.items() if pk.startswith("ID#")}


def union_claims(items):
    return {pk: item for (pk, _), item in items.items() if pk.startswith("UNION#")}


def sessions(items):
    """Return every session by its user's pk and its sid."""
    return {
        (pk, sid): times
        for pk, item in profiles(items).items()
        for sid, times in item.get("sessions", {}).items()
    }


def contradictions(items):
    """Return the contradictions of claims and users; an empty list is a sound table."""
    users, numbers, ids = profiles(items), phone_claims(items), id_claims(items)
    found = []
    for pk, claim in numbers.items():
        for owner in claim["owners"]:
            user = users.get(owner, {})
            if not pk.endswith(f"#{user.get('phoneIndex')}"):
                found.append(f"{pk} names {owner}, whose profile has another number")
            if user.get("userId") != claim["userId"]:
                found.append(f"{pk} has another userId than its owner {owner}")
    for pk, claim in ids.items():
        found += [
            f"{pk} names {owner}, whose profile has another userId"
            for owner in claim["owners"]
            if users.get(owner, {}).get("userId") != pk.removeprefix("ID#")
        ]
    for pk, user in users.items():
        if pk not in ids.get(f"ID#{user['userId']}", {}).get("owners", ()):
            found.append(f"no ID claim names {pk}")
        appid, index = pk.split("#")[1], user.get("phoneIndex")
        if index and pk not in numbers.get(f"PHONE#{appid}#{index}", {}).get("owners", ()):
            found.append(f"no PHONE claim names {pk}")
    return found + _of_several_mini_programs(users, union_claims(items))


def _of_several_mini_programs(users, unions):
    found = []
    for pk, claim in unions.items():
        owners = [users.get(owner, {}) for owner in claim["owners"]]
        if any(owner.get("unionid") != pk.removeprefix("UNION#") for owner in owners):
            found.append(f"{pk} names a user without this unionid")
        own = [owner["userId"] for owner in owners if owner and not owner.get("linked")]
        if own and claim["userId"] not in own:
            found.append(f"{pk} has a userId that none of its owners has")
    for pk, user in users.items():
        union = unions.get(f"UNION#{user.get('unionid')}", {})
        if "unionid" in user and pk not in union.get("owners", ()):
            found.append(f"no UNION claim names {pk}")
        appid = pk.split("#")[1]
        home = [
            each
            for at, each in users.items()
            if each["userId"] == user["userId"] and at.split("#")[1] == appid
        ]
        if sum(not each.get("linked") for each in home) != 1:
            found.append(f"{pk} shares its userId, and not just one user had it first")
    return found
