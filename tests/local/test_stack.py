"""A template means here what it means in CloudFormation."""

from pathlib import Path
from textwrap import dedent

import pytest

from stack.errors import BadParameter, BrokenTemplate
from stack.template import Authorizer, Cors, Route, read_stack

TEMPLATE = """
    Parameters:
      Stage: {Type: String, Default: dev, AllowedPattern: "^[a-z]+$"}
      Size: {Type: Number, Default: 5, MinValue: 1, MaxValue: 10}
      Colour: {Type: String, Default: red, AllowedValues: [red, blue]}
      Short: {Type: String, Default: abc, MinLength: 2, MaxLength: 4}
      Guarded: {Type: String, Default: "false", AllowedValues: ["true", "false"]}
      Origins: {Type: CommaDelimitedList, Default: ""}
    Mappings:
      Sizes: {dev: {Depth: 3}, live: {Depth: 4}}
    Conditions:
      HasOrigins: !Not [!Equals [!Join ["", !Ref Origins], ""]]
      IsGuarded: !Equals [!Ref Guarded, "true"]
      IsBlue: {"Fn::Equals": [{Ref: Colour}, blue]}
      IsBoth: !And [!Condition IsGuarded, !Condition IsBlue]
      IsEither: !Or [!Condition IsGuarded, !Condition IsBlue]
      IsNeither: !Not [!Condition IsEither]
    Globals:
      Function:
        CodeUri: code/
        Timeout: 20
        Environment: {Variables: {SHARED: !Ref Size, LEVEL: low}}
      HttpApi:
        Auth:
          Authorizers:
            Token:
              FunctionArn: !GetAtt Guard.Arn
              AuthorizerPayloadFormatVersion: "2.0"
              EnableSimpleResponses: true
              Identity: {Headers: [Authorization], ReauthorizeEvery: 60}
    Resources:
      Greet:
        Type: AWS::Serverless::Function
        Properties:
          Handler: greet.handler
          MemorySize: 512
          Description: Says hello.
          Environment: {Variables: {LEVEL: high, VALUE: !Ref Colour}}
          Events:
            Api: {Type: HttpApi, Properties: {Method: get, Path: "/hello/{name}"}}
            Mine: {Type: HttpApi, Properties: {Method: GET, Path: /me, Auth: {Authorizer: Token}}}
            Tick: {Type: ScheduleV2, Properties: {ScheduleExpression: rate(5 minutes)}}
            Off: {Type: ScheduleV2, Properties: {ScheduleExpression: rate(1 day), State: DISABLED}}
      Guard:
        Type: AWS::Serverless::Function
        Properties: {Handler: guard.handler}
      Extra:
        Type: AWS::Serverless::Function
        Condition: IsGuarded
        Properties:
          Handler: extra.handler
          Events: {Api: {Type: HttpApi, Properties: {Method: POST, Path: /extra}}}
      Layer:
        Type: AWS::Serverless::LayerVersion
        Properties: {ContentUri: layer/}
      Api:
        Type: AWS::Serverless::HttpApi
        Properties:
          DefinitionBody:
            openapi: 3.0.1
            x-amazon-apigateway-cors: !If
              - HasOrigins
              - allowOrigins: !Ref Origins
                allowMethods: [GET]
                allowHeaders: [accept]
                maxAge: 60
              - !Ref AWS::NoValue
      Things:
        Type: AWS::DynamoDB::Table
        Properties:
          AttributeDefinitions: [{AttributeName: pk, AttributeType: S}]
          KeySchema: [{AttributeName: pk, KeyType: HASH}]
          BillingMode: PAY_PER_REQUEST
          TimeToLiveSpecification: {AttributeName: expiresAt, Enabled: true}
          SSESpecification: {SSEEnabled: true}
"""


@pytest.fixture
def template(tmp_path: Path) -> Path:
    (tmp_path / "code").mkdir()
    (tmp_path / "layer").mkdir()
    path = tmp_path / "template.yaml"
    path.write_text(dedent(TEMPLATE))
    return path


def replace(template: Path, old: str, new: str) -> Path:
    text = template.read_text()
    assert old in text
    template.write_text(text.replace(old, new))
    return template


def test_a_function_has_the_globals_and_its_own_settings_win(template):
    greet = read_stack(template=template).functions["Greet"]

    assert greet.handler == "greet.handler"
    assert greet.description == "Says hello."
    assert (greet.timeout, greet.memory) == (20, 512)
    assert greet.environment == {"SHARED": "5", "LEVEL": "high", "VALUE": "red"}
    assert greet.arn == "arn:aws:lambda:us-east-1:000000000000:function:wechat-login-dev-Greet"


def test_routes_are_read_from_the_functions_events(template):
    assert read_stack(template=template).routes == (
        Route("GET", "/hello/{name}", "Greet"),
        Route("GET", "/me", "Greet", authorizer="Token"),
    )


def test_an_authorizer_is_a_function_with_its_identity_and_its_time(template):
    authorizers = read_stack(template=template).authorizers

    assert authorizers == {"Token": Authorizer("Token", "Guard", ("authorization",), 60)}


def test_a_default_authorizer_guards_every_route_that_does_not_say_none(template):
    replace(template, "    Auth:\n", "    Auth:\n      DefaultAuthorizer: Token\n")
    replace(template, "Path: /me, Auth: {Authorizer: Token}", "Path: /me, Auth: {Authorizer: NONE}")

    guarded = {route.path: route.authorizer for route in read_stack(template=template).routes}

    assert guarded == {"/hello/{name}": "Token", "/me": None}


def test_cors_is_as_the_openapi_document_has_it_and_without_origins_there_is_none(template):
    with_it = read_stack({"Origins": "https://a.example, https://b.example"}, template)

    origins = ("https://a.example", "https://b.example")
    assert with_it.cors == Cors(origins, methods=("GET",), headers=("accept",), max_age=60)
    assert read_stack(template=template).cors is None


def test_a_resource_whose_condition_is_false_does_not_exist(template):
    without = read_stack(template=template)
    with_it = read_stack({"Guarded": "true"}, template)

    assert "Extra" not in without.functions
    assert "Extra" in with_it.functions
    assert [route.path for route in with_it.routes][-1] == "/extra"


def test_a_table_is_ready_to_be_made(template):
    (table,) = read_stack({"Stage": "live"}, template).tables

    assert table.name == "wechat-login-live-Things"
    assert table.expiry_attribute == "expiresAt"
    assert table.definition == {
        "TableName": "wechat-login-live-Things",
        "BillingMode": "PAY_PER_REQUEST",
        "AttributeDefinitions": [{"AttributeName": "pk", "AttributeType": "S"}],
        "KeySchema": [{"AttributeName": "pk", "KeyType": "HASH"}],
    }


def test_code_comes_from_the_functions_folder_and_from_the_layers(template):
    paths = read_stack(template=template).code_paths

    assert paths == (template.parent / "code", template.parent / "layer")


def test_a_schedule_has_a_rate_unless_it_is_switched_off(template):
    schedules = read_stack(template=template).functions["Greet"].schedules

    assert [(each.logical_id, each.seconds) for each in schedules] == [("Tick", 300)]


@pytest.mark.parametrize(
    ("expression", "value"),
    [
        pytest.param("!Ref Things", "wechat-login-dev-Things", id="ref of a resource"),
        pytest.param("!Ref AWS::Region", "us-east-1", id="pseudo parameter"),
        pytest.param(
            "!GetAtt Things.Arn",
            "arn:aws:dynamodb:us-east-1:000000000000:table/wechat-login-dev-Things",
            id="arn",
        ),
        pytest.param('{"Fn::GetAtt": [Guard, Arn]}', "wechat-login-dev-Guard", id="long form"),
        pytest.param(
            '!Sub "/app/${Stage}/${Things}"', "/app/dev/wechat-login-dev-Things", id="sub"
        ),
        pytest.param('!Sub ["${A}-${!B}", {A: !Ref Size}]', "5-${B}", id="sub with its own map"),
        pytest.param("!If [IsBlue, yes-blue, not-blue]", "not-blue", id="if"),
        pytest.param("!If [IsNeither, neither, some]", "neither", id="not, or"),
        pytest.param("!If [IsBoth, both, not-both]", "not-both", id="and"),
        pytest.param('!Join ["/", [a, !Ref Stage]]', "a/dev", id="join"),
        pytest.param('!Select [1, !Split [",", "x,y"]]', "y", id="select, split"),
        pytest.param("!Select [0, !Ref Origins]", "", id="ref of a list"),
        pytest.param("!FindInMap [Sizes, !Ref Stage, Depth]", "3", id="find in map"),
        pytest.param("true", "true", id="a YAML truth is CloudFormation's text"),
    ],
)
def test_intrinsic_functions_have_their_values(template, expression, value):
    replace(template, "VALUE: !Ref Colour", f"VALUE: {expression}")

    assert read_stack(template=template).functions["Greet"].environment["VALUE"].endswith(value)


def test_no_value_leaves_the_setting_out(template):
    replace(template, "VALUE: !Ref Colour", 'VALUE: !If [IsBlue, blue, !Ref "AWS::NoValue"]')

    assert "VALUE" not in read_stack(template=template).functions["Greet"].environment
    assert "VALUE" in read_stack({"Colour": "blue"}, template).functions["Greet"].environment


@pytest.mark.parametrize(
    ("overrides", "said"),
    [
        pytest.param(
            {"Nix": "1"}, "there is no parameter Nix; there are Stage, Size", id="unknown"
        ),
        pytest.param({"Colour": "green"}, "'green' and must be one of red, blue", id="not allowed"),
        pytest.param({"Stage": "D3"}, "'D3' and must be like ^[a-z]+$", id="pattern"),
        pytest.param({"Stage": "dev\n"}, "must be like", id="the whole value has to match"),
        pytest.param({"Size": "many"}, "'many' and must be a number", id="no number"),
        pytest.param({"Size": "nan"}, "must be a number", id="not a number"),
        pytest.param({"Size": "0"}, "must be 1 or more", id="too low"),
        pytest.param({"Size": "11"}, "must be 10 or less", id="too high"),
        pytest.param({"Short": "a"}, "must be 2 to 4 letters", id="too short"),
    ],
)
def test_a_parameter_outside_its_rules_is_refused_in_one_line(template, overrides, said):
    with pytest.raises(BadParameter) as refused:
        read_stack(overrides, template)

    assert said in str(refused.value)
    assert "\n" not in str(refused.value)


def test_a_parameter_without_a_default_has_to_be_given(template):
    replace(template, "Stage: {Type: String, Default: dev,", "Stage: {Type: String,")

    with pytest.raises(BadParameter, match="the parameter Stage has no default"):
        read_stack(template=template)
    assert read_stack({"Stage": "live"}, template).parameters["Stage"] == "live"


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        pytest.param("Resources:", "Resources: {", "template.yaml: while parsing", id="no YAML"),
        pytest.param("Resources:", "Things:", "template.yaml has no Resources", id="no resources"),
        pytest.param("Handler: greet.handler", "Nix: 1", "Greet has no Handler", id="no handler"),
        pytest.param("!Ref Colour", "!Ref Nix", "Nix is referred to", id="dangling ref"),
        pytest.param("!Ref Colour", "!Base64 x", "support Fn::Base64", id="unknown function"),
        pytest.param("IsGuarded\n", "Nix\n", "no condition Nix", id="unknown condition"),
        pytest.param("rate(5 minutes)", '"cron(0 1 * * ? *)"', "supports rate(…)", id="cron"),
        pytest.param("Authorizer: Token", "Authorizer: Nix", "authorizer Nix", id="no authorizer"),
        pytest.param("EnableSimpleResponses: true", "Nix: 1", "authorizer Token", id="not simple"),
        pytest.param("maxAge: 60", "allowCredentials: true", "supports only allowOr", id="CORS"),
        pytest.param("code/", "nix/", "the CodeUri of Greet is no folder: nix/", id="no folder"),
    ],
)
def test_a_broken_template_is_reported_in_one_line(template, old, new, said):
    replace(template, old, new)

    with pytest.raises(BrokenTemplate) as broken:
        read_stack({"Origins": "https://a.example"}, template)

    assert said in str(broken.value)
    assert "\n" not in str(broken.value)


def test_a_missing_template_is_reported_in_one_line(tmp_path):
    with pytest.raises(BrokenTemplate, match="No such file"):
        read_stack(template=tmp_path / "template.yaml")


def test_our_own_template_can_be_read():
    stack = read_stack({"WeChatAppId": "wx1234567890abcdef"})

    assert Route("POST", "/login", "Login") in stack.routes
    assert stack.functions["Login"].environment["TABLE"] == stack.tables[0].name
