"""The orders of a shop, stored with the user who placed them.

    pk                        sk            holds
    USER#<appid>#<openid>     ORDER#<id>    an order: userId, revision, signedInAt, and its content
    USER#<appid>#<openid>     USER          from events: lastUserId, revision, changedAt, erasedAt
    BOOKS#<id>                ORDER         the order of an erased user, without the user

Events arrive at least once and in any order. The table ends in the same state each time: the last
userId is that of the highest revision, and the last erasure is the latest one.
"""

import os
import time
import uuid
from collections.abc import Mapping
from functools import cache
from typing import TYPE_CHECKING, Any

import boto3
from boto3.dynamodb.conditions import Key

if TYPE_CHECKING:
    from mypy_boto3_dynamodb.service_resource import Table

Item = Mapping[str, Any]

ERASED = "user.erased"
# A token is signed shortly after its user has been read, and clocks differ a little.
SIGNED_LATE = 10
# Longer than tokens are valid, and than the login service can send an event again.
KEPT_SECONDS = 30 * 86_400
TRIES = 5


class SignedInBeforeErasure(Exception):
    """The token was issued to an account that has been erased since."""


class Orders:
    """All reads and writes of the table."""

    def __init__(self, table: "Table") -> None:
        self._table = table
        self.client = table.meta.client

    def place(self, claims: Mapping[str, str], content: Item) -> str:
        """Store an order of a token's user, and return its id.

        Raises `SignedInBeforeErasure`.
        """
        order_id = str(uuid.uuid4())
        for tries_left in reversed(range(TRIES)):
            user = self._user(_pk(claims["client_id"], claims["openid"]))
            order = _order(order_id, claims, content, user)
            if _is_before(order, user.get("erasedAt")):
                raise SignedInBeforeErasure
            try:
                self._put_if_unchanged(order, user)
                break
            except self.client.exceptions.TransactionCanceledException:
                # An event has changed what was known.
                if not tries_left:
                    raise
        return order_id

    def of_person(self, user_id: str, appid: str) -> list[Item]:
        """Return a person's orders in one mini program.

        WeChat's rule 15.3.7: the data of one mini program is not shown in another.
        """
        place = Key("userId").eq(user_id) & Key("pk").begins_with(f"USER#{appid}#")
        found = self._query(IndexName="ByPerson", KeyConditionExpression=place)
        return [{"id": _id(each), **_content(each), "address": each["address"]} for each in found]

    def follow(self, kind: str, detail: Item) -> None:
        """Bring the orders of an event's user to what the events say; an event may come again."""
        pk = _pk(detail["appid"], detail["openid"])
        self._remember(pk, kind, detail)
        user = self._user(pk)
        # After `_remember`, which fails each order that is placed on what was known before.
        place = Key("pk").eq(pk) & Key("sk").begins_with("ORDER#")
        for order in self._query(ConsistentRead=True, KeyConditionExpression=place):
            if _is_before(order, user.get("erasedAt")):
                self._move_to_books(order)
            elif _is_before(order, user["changedAt"]) and order["revision"] < user["revision"]:
                self._give_to(order, user)

    def _remember(self, pk: str, kind: str, detail: Item) -> None:
        until = int(time.time()) + KEPT_SECONDS
        values = {":time": detail["time"], ":until": until, ":one": 1}
        self._update(
            (pk, "USER"),
            "SET lastUserId = :user, revision = :revision, changedAt = :time, expiresAt = :until"
            " ADD seen :one",
            "attribute_not_exists(revision) OR revision < :revision",
            {**values, ":user": detail["userId"], ":revision": detail["revision"]},
        )
        if kind == ERASED:
            self._update(
                (pk, "USER"),
                "SET erasedAt = :time, expiresAt = :until ADD seen :one",
                "attribute_not_exists(erasedAt) OR erasedAt < :time",
                values,
            )

    def _give_to(self, order: Item, user: Item) -> None:
        change = "SET userId = :user, revision = :revision"
        values = {":user": user["lastUserId"], ":revision": user["revision"]}
        is_older = "attribute_exists(pk) AND revision < :revision"
        self._update((order["pk"], order["sk"]), change, is_older, values)

    def _move_to_books(self, order: Item) -> None:
        """Keep an order for the books, which the law wants for years, without its person."""
        table, key = self._table.name, {name: order[name] for name in ("pk", "sk")}
        books = {"pk": f"BOOKS#{_id(order)}", "sk": "ORDER", **_content(order)}
        self.client.transact_write_items(
            TransactItems=[
                {"Delete": {"TableName": table, "Key": key}},
                {"Put": {"TableName": table, "Item": books}},
            ]
        )

    def _put_if_unchanged(self, order: Item, user: Item) -> None:
        table, key = self._table.name, {"pk": order["pk"], "sk": "USER"}
        check: Any = {"ConditionExpression": "attribute_not_exists(pk)"}
        if user:
            values = {":seen": user["seen"]}
            check = {"ConditionExpression": "seen = :seen", "ExpressionAttributeValues": values}
        items: Any = [
            {"ConditionCheck": {"TableName": table, "Key": key, **check}},
            {"Put": {"TableName": table, "Item": order}},
        ]
        self.client.transact_write_items(TransactItems=items)

    def _update(self, key: tuple[str, str], change: str, condition: str, values: Item) -> None:
        """Update an item if the condition holds."""
        try:
            self._table.update_item(
                Key={"pk": key[0], "sk": key[1]},
                UpdateExpression=change,
                ConditionExpression=condition,
                ExpressionAttributeValues={**values},
            )
        except self.client.exceptions.ConditionalCheckFailedException:
            return

    def _user(self, pk: str) -> Item:
        found = self._table.get_item(Key={"pk": pk, "sk": "USER"}, ConsistentRead=True)
        return found.get("Item", {})

    def _query(self, **how: Any) -> list[Item]:
        pages = self.client.get_paginator("query").paginate(TableName=self._table.name, **how)
        return [item for page in pages for item in page["Items"]]


@cache
def orders() -> Orders:
    """Return the orders in the table of this deployment."""
    return Orders(boto3.resource("dynamodb").Table(os.environ["TABLE"]))


def _order(order_id: str, claims: Mapping[str, str], content: Item, user: Item) -> dict[str, Any]:
    order = {
        **content,
        "placedAt": int(time.time()),
        "pk": _pk(claims["client_id"], claims["openid"]),
        "sk": f"ORDER#{order_id}",
        "userId": claims["sub"],
        "revision": user.get("revision", 0),
        "signedInAt": int(claims["iat"]),
    }
    # A token that is older than the last change may name the former userId.
    is_known = _is_before(order, user.get("changedAt"))
    return {**order, "userId": user["lastUserId"]} if is_known else order


def _is_before(order: Item, change: int | None) -> bool:
    """Return whether an order's token was signed before a change, or may have been."""
    return change is not None and order["signedInAt"] <= change + SIGNED_LATE


def _content(order: Item) -> dict[str, Any]:
    """Return what says nothing about the person."""
    return {
        "article": order["article"],
        "quantity": int(order["quantity"]),
        "placedAt": int(order["placedAt"]),
    }


def _pk(appid: str, openid: str) -> str:
    return f"USER#{appid}#{openid}"


def _id(order: Item) -> str:
    return str(order["sk"]).removeprefix("ORDER#")
