"""The phone number as the legacy path has it."""

import base64
import hashlib
import json

import pytest
from Crypto.Cipher import AES
from Crypto.Util.Padding import unpad

from simulated_wechat import phone_data

ENCRYPTED = "/wxa/business/checkencryptedmsg"
DAY = 86400


def decrypted_phone(grant, session_key):
    key, iv = base64.b64decode(session_key), base64.b64decode(grant["iv"])
    ciphertext = base64.b64decode(grant["encryptedData"])
    return json.loads(unpad(AES.new(key, AES.MODE_CBC, iv).decrypt(ciphertext), 16))


def test_the_users_session_key_opens_it(wechat, backend, clock):
    key = backend.login(wechat.login_code("alice"))["session_key"]

    opened = decrypted_phone(wechat.phone_code("alice"), key)

    assert opened["purePhoneNumber"] == wechat.phone("alice").removeprefix("+86")
    assert opened["countryCode"] == "86"
    assert opened["watermark"] == {"timestamp": int(clock()), "appid": wechat.appid}


def test_a_tap_before_the_first_login_is_opened_by_the_key_that_login_gives(wechat, backend):
    grant = wechat.phone_code("alice")
    key = backend.login(wechat.login_code("alice"))["session_key"]

    assert decrypted_phone(grant, key)["countryCode"] == "86"


def test_another_users_session_key_does_not_open_it(wechat, backend):
    key = backend.login(wechat.login_code("bob"))["session_key"]

    with pytest.raises(ValueError):  # noqa: PT011 - padding, UTF-8 or JSON: chance decides
        decrypted_phone(wechat.phone_code("alice"), key)


def test_wechat_remembers_its_encrypted_data_for_three_days(wechat, backend, clock):
    made_at = int(clock())
    digest = phone_data.message_hash(wechat.phone_code("alice")["encryptedData"])

    clock.sleep(3 * DAY)
    answer = backend.call(ENCRYPTED, encrypted_msg_hash=digest)
    clock.sleep(1)
    too_late = backend.call(ENCRYPTED, encrypted_msg_hash=digest)

    assert answer == {"errcode": 0, "errmsg": "ok", "vaild": True, "create_time": made_at}
    assert too_late["errcode"] == 1


def test_wechat_does_not_know_data_that_it_did_not_encrypt(backend):
    assert backend.call(ENCRYPTED, encrypted_msg_hash="0" * 64)["errcode"] == 1
    assert backend.call(ENCRYPTED, encrypted_msg_hash="no hash")["errcode"] == 40097


def test_it_encrypts_the_official_sample():
    plaintext = (
        b'{"openId":"oGZUI0egBJY1zhBYw2KhdUfwVJJE","nickName":"Band","gender":1,'
        b'"language":"zh_CN","city":"Guangzhou","province":"Guangdong","country":"CN",'
        b'"avatarUrl":"http://wx.qlogo.cn/mmopen/vi_32/aSKcBBPpibyKNicHNTMM0qJVh8Kjgiak2AHWr8'
        b'MHM4WgMEm7GFhsf8OYrySdbvAMvTsw3mo8ibKicsnfN5pRjl1p8HQ/0",'
        b'"unionId":"ocMvos6NjeKLIBqg5Mr9QjxrP1FA",'
        b'"watermark":{"timestamp":1477314187,"appid":"wx4f4bc4dec97d474b"}}'
    )
    encrypted = phone_data.encrypt(
        plaintext, "tiihtNczf5v6AKRyjwEUhQ==", "r7BXXKkLb8qrSNn05n0qiA=="
    )

    digest = "3237d8a5dbd413523c194882c7156544d8a06e2afcc97383cc300c17bd09391b"
    assert hashlib.sha256(plaintext).hexdigest() == digest
    assert encrypted == (
        "CiyLU1Aw2KjvrjMdj8YKliAjtP4gsMZMQmRzooG2xrDcvSnxIMXFufNstNGTyaGS9uT5geRa0W4oTOb1"
        "WT7fJlAC+oNPdbB+3hVbJSRgv+4lGOETKUQz6OYStslQ142dNCuabNPGBzlooOmB231qMM85d2/fV6Ch"
        "evvXvQP8Hkue1poOFtnEtpyxVLW1zAo6/1Xx1COxFvrc2d7UL/lmHInNlxuacJXwu0fjpXfz/YqYzBIB"
        "zD6WUfTIF9GRHpOn/Hz7saL8xz+W//FRAUid1OksQaQx4CMs8LOddcQhULW4ucetDf96JcR3g0gfRK4P"
        "C7E/r7Z6xNrXd2UIeorGj5Ef7b1pJAYB6Y5anaHqZ9J6nKEBvB4DnNLIVWSgARns/8wR2SiRS7MNACwT"
        "yrGvt9ts8p12PKFdlqYTopNHR1Vf7XjfhQlVsAJdNiKdYmYVoKlaRv85IfVunYzO0IKXsyl7JCUjCpoG"
        "20f0a04COwfneQAGGwd5oa+T8yO5hzuyDb/XcxxmK01EpqOyuxINew=="
    )


def test_the_hash_is_taken_over_the_base64_text():
    encrypted = (
        "hsSuSUsePBqSQw2rYMtf9Nvha603xX8f2BMQBcYRoJiMNwOqt/UEhrqekebG5ar0LFNAm5MD4Uz6zorRwiXJ"
        "wbySJ/FEJHav4NsobBIU1PwdjbJWVQLFy7+YFkHB32OnQXWMh6ugW7Dyk2KS5BXp1f5lniKPp1KNLyNLlFlN"
        "Z2mgJCJmWvHj5AI7BLpWwoRvqRyZvVXo+9FsWqvBdxmAPA=="
    )

    expected = "657edd868c9715a9bebe42b833269a557a48498785397a796f1568c29a200b2c"
    assert phone_data.message_hash(encrypted) == expected
