"""The words of the tables in Chinese, for docs/zh; the figures stay as they are."""

import re

_WORDS = {
    "date": "日期",
    "cores": "CPU 核",
    "load before the run": "运行前的负载",
    "rounds": "轮数",
    "libraries": "库",
    "goal": "目标",
    "at most": "上限",
    "measured": "实测",
    "met": "达到",
    "yes": "是",
    "no": "否",
    "each": "每种请求",
    "login": "登录",
    "look-up": "查询令牌",
    "phone": "注册手机号",
    "ours": "本项目",
    "plain sam build": "仅 sam build",
    "floor": "下限",
    "compiled": "已编译",
    "calls of DynamoDB": "DynamoDB 调用次数",
    "calls of SSM": "SSM 调用次数",
    "read units": "读取单位",
    "write units": "写入单位",
    "with three sessions": "已有三个会话",
    "the tenth session": "第十个会话",
    "time, 50 ms away, ÷ that of its calls": "延迟 50 ms 时的用时 ÷ 其调用的用时",
    "cost without log ÷ wechatpy's": "不含日志的费用 ÷ wechatpy 的",
    "init ÷ floor's": "初始化 ÷ 下限的",
    "cold start ÷ floor's": "冷启动 ÷ 下限的",
    "CPU of a warm request ÷ floor's": "预热后一次请求的 CPU ÷ 下限的",
    "memory": "内存",
    "layer and function": "层和函数",
    "MB unpacked": "解压后 MB",
    "unpacked": "解压后",
    "init": "初始化",
    "first answer": "首次响应",
    "together": "合计",
    "together ÷ floor": "合计 ÷ 下限",
    "CPU ÷ floor": "CPU ÷ 下限",
    "time": "用时",
    "near": "近",
    "far": "远",
    "far ÷ calls": "远 ÷ 调用",
    "WeChat": "微信",
    "with nickname and avatar": "有昵称和头像",
    "containers": "容器",
    "token calls": "令牌调用",
    "SSM calls": "SSM 调用",
    "answered": "已响应",
    "seconds": "秒",
    "USD a million": "每百万次 USD",
    "requests": "请求",
    "duration": "运行时间",
    "cold starts": "冷启动",
    "reads": "读取",
    "writes": "写入",
    "without log": "不含日志",
    "log": "日志",
    "what": "项目",
}
_SESSIONS = re.compile(r"(\d+) sessions before")


def in_chinese(table: str) -> str:
    """Return a table in Markdown with Chinese words."""
    lines = [[_cell(cell) for cell in line.split("|")] for line in table.splitlines()]
    return "\n".join("|".join(line) for line in lines)


def _cell(cell: str) -> str:
    words = cell.strip(" *")
    return cell.replace(words, _words(words)) if words else cell


def _words(words: str) -> str:
    if words in _WORDS:
        return _WORDS[words]
    for mark, chinese in ((": ", "："), (", ", "，")):  # noqa: RUF001 - Chinese punctuation
        if mark in words:
            first, _, rest = words.partition(mark)
            return f"{_words(first)}{chinese}{_words(rest)}"
    return _SESSIONS.sub(r"已有 \1 个会话", words)
