"""A WeChat for laptops and tests, with the rules of the real WeChat and without an account."""

from simulated_wechat.message_push import MessagePush
from simulated_wechat.server import serve
from simulated_wechat.wechat import SimulatedWeChat

__all__ = ["MessagePush", "SimulatedWeChat", "serve"]
