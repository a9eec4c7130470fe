"""Where the benchmarks find what they measure, and where they leave what they found."""

from stack.template import ROOT

BUILD = ROOT / ".aws-sam" / "build"
HANDLERS = ROOT / "benchmarks" / "handlers"
NODE = ROOT / "benchmarks" / "node"
WORK = ROOT / ".local" / "benchmarks"
DOCS = ROOT / "docs"
TRIAL = WORK / "trial"
SAM_ENVIRONMENT = ROOT / ".venv-sam"
