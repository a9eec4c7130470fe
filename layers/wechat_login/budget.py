"""The time budget of an invocation, in seconds: how long calls may take, what is kept after them.

Lambda ends a function without an answer when its Timeout (template.yaml) is over, so a step begins
only while it and all that must follow still fit. `wiring` hands each part its figures.
"""

# DynamoDB and SSM answer in milliseconds; botocore would wait for a minute.
AWS_CONNECT = 1.0
AWS_READ = 3.0
# The first try included. SSM's quota is the whole account's, and containers start together.
AWS_TRIES = {"dynamodb": 2, "ssm": 4}
# A call of DynamoDB that nothing answers: its tries, and a pause of up to a second between them.
DYNAMODB_CALL = AWS_TRIES["dynamodb"] * (AWS_CONNECT + AWS_READ) + 1.0

# Kept behind an answer of WeChat's, for what is done with it.
AFTER_WECHAT = 1.5
# A number that was paid for is written, however slowly.
AFTER_PHONE_NUMBER = DYNAMODB_CALL + AFTER_WECHAT
# The registration goes on without an opinion of WeChat's, so this leaves time for the exchange.
AFTER_RISK_RANK = AFTER_PHONE_NUMBER + 7.0
# To take the lock of a renewal, and to make the call that needs the access token.
RENEWAL = DYNAMODB_CALL + 2.0
# To repeat a write that another transaction was in the way of.
WRITE = DYNAMODB_CALL + 0.5
# To bind a number once more; what is over is for the receipt.
BINDING = DYNAMODB_CALL + 1.0
