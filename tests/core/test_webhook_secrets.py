"""Signatures are those of the Standard Webhooks specification."""

from core.settings import Settings
from core.webhook_secrets import new_salt, secret_of, signatures


def test_a_signature_is_what_the_specification_s_own_libraries_make() -> None:
    # The vector of standard-webhooks/standard-webhooks, libraries/python/tests.
    made = signatures(
        ["whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"],
        "msg_p5jXN8AQM9LWM0D4loKWxJek",
        1614265330,
        '{"test": 2432232314}',
    )
    assert made == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


def test_secrets_come_from_their_salt_and_the_server_s_secret(servers: Settings) -> None:
    salt = new_salt()
    assert secret_of(salt) == secret_of(salt) != secret_of(new_salt())
    assert secret_of(salt).startswith("whsec_")
    assert len(signatures([secret_of(salt), secret_of(new_salt())], "m", 1, "b").split(" ")) == 2
