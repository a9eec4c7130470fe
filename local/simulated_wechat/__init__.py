"""A WeChat for laptops and tests: it keeps the rules of the real one and needs no account."""

from local.simulated_wechat.message_push import MessagePush
from local.simulated_wechat.rules import SimulatedWeChat
from local.simulated_wechat.server import SimulatedWeChatServer, serve

__all__ = ["MessagePush", "SimulatedWeChat", "SimulatedWeChatServer", "serve"]
