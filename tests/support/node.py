"""Runs a file of JavaScript tests in Node."""

import os
import subprocess


def run(node, file, **addresses):
    done = subprocess.run(
        [node, "--test", file],
        env={"PATH": os.environ["PATH"], **addresses},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "\n# pass 0\n" not in done.stdout, done.stdout


def run_with(backend, node, file):
    wechat_url = backend.deployment.stack.parameters["WeChatUrl"]
    run(node, file, API_URL=backend.url, WECHAT_URL=wechat_url)
