post() { curl -sS -H 'Content-Type: application/json' "$@"; echo; }
field() { sed -n "s/.*\"$1\": *\"\([^\"]*\)\".*/\1/p"; }
alice() { post "$WECHAT/simulated/$1" -d '{"user": "alice"}' | field code; }
LOGIN=$(post "$API/login" -d "{\"code\": \"$(alice wx.login)\"}") && printf '%s\n' "$LOGIN"
OPENID=$(printf '%s\n' "$LOGIN" | field openid); SESSION=$(printf '%s\n' "$LOGIN" | field session)
as_alice() { post "$API/$1" -H "Authorization: Bearer $SESSION" -d "$2"; }
as_alice token "{\"openid\": \"$OPENID\"}"
as_alice phone "{\"openid\": \"$OPENID\", \"code\": \"$(alice getPhoneNumber)\"}"
as_alice token "{\"openid\": \"$OPENID\"}"
post "$API/login" -d "{\"code\": \"$(alice wx.login)\"}"
