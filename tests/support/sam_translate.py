"""Turns template.yaml into the CloudFormation that AWS would make of it, for any region, offline.

Run with the interpreter of .venv-sam, where SAM's translator lives:
`sam_translate.py TEMPLATE REGION [NAME=VALUE …]` prints the result as JSON.
"""

import json
import os
import sys

import boto3
from cfnlint.decode import decode
from samtranslator.parser.parser import Parser
from samtranslator.translator.translator import Translator

UPLOADED = "s3://a-bucket/a-key"
LOCAL = {
    "AWS::Serverless::Function": "CodeUri",
    "AWS::Serverless::LayerVersion": "ContentUri",
    "AWS::CloudFormation::Stack": "TemplateURL",
}


def main():
    path, region, *given = sys.argv[1:]
    os.environ["AWS_DEFAULT_REGION"] = region
    template, faults = decode(path)
    if faults:
        sys.exit("\n".join(map(str, faults)))
    template.get("Globals", {}).get("Function", {}).pop("CodeUri", None)
    for resource in template["Resources"].values():
        # `sam deploy` replaces this path by the address of its upload.
        if resource["Type"] in LOCAL:
            url = "https://a-bucket.example/a-key"
            nested = resource["Type"] == "AWS::CloudFormation::Stack"
            resource["Properties"][LOCAL[resource["Type"]]] = url if nested else UPLOADED
    parameters = dict(each.split("=", 1) for each in given)
    session = boto3.session.Session(region_name=region)
    translator = Translator({}, Parser(), None, session)
    json.dump(translator.translate(template, parameters), sys.stdout, default=str)


main()
