"""The time budget of an invocation, in seconds: limits of calls, and reserves after them.

Lambda ends a function without an answer after its Timeout (template.yaml), so a step begins only if
the step and all that must follow fit. `wiring` passes the figures to each part.
"""

# DynamoDB and SSM answer in milliseconds; botocore's default is one minute.
AWS_CONNECT = 1.0
AWS_READ = 3.0
# Including the first try. SSM's quota is for the whole account, and containers start together.
AWS_TRIES = {"dynamodb": 2, "events": 3, "sqs": 3, "ssm": 4}
# A DynamoDB call without an answer: its tries, and a pause of up to a second between them.
DYNAMODB_CALL = AWS_TRIES["dynamodb"] * (AWS_CONNECT + AWS_READ) + 1.0

# Reserved after an answer of WeChat's, to process the answer.
AFTER_WECHAT = 1.5
# A number that is paid for must be written, even slowly.
AFTER_PHONE_NUMBER = DYNAMODB_CALL + AFTER_WECHAT
# A registration continues without WeChat's risk rank, so this reserves time for the exchange.
AFTER_RISK_RANK = AFTER_PHONE_NUMBER + 7.0
# To lock a renewal, and to make the call that needs the access token.
RENEWAL = DYNAMODB_CALL + 2.0
# To repeat a write that conflicted with another transaction.
WRITE = DYNAMODB_CALL + 0.5
# To bind a number once more; the rest is for the receipt.
BINDING = DYNAMODB_CALL + 1.0
