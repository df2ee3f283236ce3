"""The token endpoint and the consent page."""

import base64
import hashlib
from urllib.parse import parse_qs, urlencode, urlsplit

from .support import MockCase

VERIFIER = "v" * 64
CHALLENGE = (
    base64.urlsafe_b64encode(hashlib.sha256(VERIFIER.encode()).digest())
    .rstrip(b"=")
    .decode()
)
CALLBACK = "http://127.0.0.1:8888/callback"


class RefreshTest(MockCase):
    def test_an_access_token_is_given(self):
        answer = self.mock.refresh().json()
        self.assertEqual((answer["token_type"], answer["expires_in"]), ("Bearer", 3600))
        self.assertIn("user-library-read", answer["scope"].split())
        self.assertNotIn("refresh_token", answer)
        self.assertEqual(self.mock.get("/me", answer["access_token"]).status, 200)

    def test_what_is_refused(self):
        invalid_client = ("invalid_client", "Invalid client")
        wrong_secret = ("invalid_client", "Invalid client secret")
        for details, message in (
            ({"client": ("nobody", "x")}, invalid_client),
            ({"client": ("mock-client", "x")}, wrong_secret),
            ({"client": None, "client_id": "mock-client"}, wrong_secret),
            ({"client": None}, ("invalid_request", "client_id must be supplied")),
            (
                {"client_id": "mock-pkce-client"},
                ("invalid_request", "two different clients are named"),
            ),
            ({"refresh_token": "x"}, ("invalid_grant", "Invalid refresh token")),
            (
                {"refresh_token": "mock-pkce-refresh-token"},
                ("invalid_grant", "Invalid refresh token"),
            ),
            ({"refresh_token": ""}, ("invalid_request", "refresh_token must be supplied")),
        ):
            self.assert_error(self.mock.refresh(**details), 400, message)

    def test_malformed_requests(self):
        reply = self.mock.token_request(grant_type="password")
        self.assertEqual(reply.json()["error"], "unsupported_grant_type")
        reply = self.mock.token_request()
        self.assertEqual(reply.json()["error"], "invalid_request")
        form = "grant_type=refresh_token&refresh_token=mock-refresh-token"
        for content_type, body in (
            ("application/json", "{}"),
            ("application/x-www-form-urlencoded", form + "&" + form),
            ("application/x-www-form-urlencoded", "grant_type"),
        ):
            reply = self.mock.request(
                "POST", "/api/token", body, {"Content-Type": content_type}
            )
            self.assertEqual(reply.status, 400)
            self.assertEqual(reply.json()["error"], "invalid_request")
        self.assertEqual(self.mock.request("GET", "/api/token").status, 405)

    def test_basic_is_form_encoded(self):
        self.mock.post("client", id="a:b", secret="p+q %")
        self.mock.post("refresh_token", refresh_token="r", client_id="a:b")
        encoded = self.mock.refresh("r", client=("a%3Ab", "p%2Bq+%25"))
        self.assertEqual(encoded.status, 200)
        plain = self.mock.refresh("r", client=("a%3Ab", "p+q %"))
        self.assertEqual(plain.status, 400)

    def test_ended_tokens(self):
        self.mock.post("revoke", refresh_token="mock-refresh-token")
        message = ("invalid_grant", "Refresh token revoked")
        self.assert_error(self.mock.refresh(), 400, message)
        self.mock.post("reset")
        self.mock.post("clock", advance=185 * 86400)
        message = ("invalid_grant", "Refresh token expired")
        self.assert_error(self.mock.refresh(), 400, message)

    def test_what_the_answer_says_without_rotation(self):
        self.mock.post("config", refresh_in_answer="same", expires_in=5)
        answer = self.mock.refresh().json()
        self.assertEqual(answer["refresh_token"], "mock-refresh-token")
        self.assertEqual(answer["expires_in"], 5)
        self.mock.post("config", refresh_in_answer="empty")
        self.assertEqual(self.mock.refresh().json()["refresh_token"], "")

    def test_rotation(self):
        self.mock.post("config", rotate=True)
        second = self.mock.refresh().json()["refresh_token"]
        self.assertEqual(self.mock.refresh().status, 400)
        state = self.mock.post("token_state", refresh_token=second)["state"]
        self.assertEqual(state, "active")
        self.mock.post("config", reuse_revokes_family=True)
        self.mock.refresh()
        self.assertEqual(self.mock.refresh(second).status, 400)

    def test_a_pkce_client_rotates(self):
        details = {"client": None, "client_id": "mock-pkce-client"}
        answer = self.mock.refresh("mock-pkce-refresh-token", **details).json()
        again = self.mock.refresh("mock-pkce-refresh-token", **details)
        self.assertEqual(again.json()["error_description"], "Refresh token revoked")
        self.assertEqual(self.mock.refresh(answer["refresh_token"], **details).status, 200)
        with_secret = self.mock.refresh("x", client=("mock-pkce-client", ""))
        self.assertEqual(with_secret.json()["error"], "invalid_client")


class AuthorizeTest(MockCase):
    def authorize(self, method="GET", body=None, **changes):
        query = {
            "client_id": "mock-client",
            "response_type": "code",
            "redirect_uri": CALLBACK,
            "scope": "user-library-read user-read-recently-played",
            "state": "a b&c",
            "code_challenge_method": "S256",
            "code_challenge": CHALLENGE,
            **changes,
        }
        query = {name: value for name, value in query.items() if value is not None}
        return self.mock.request(method, "/authorize?" + urlencode(query), body)

    def agree(self, **changes):
        """Return the parameters with which the browser comes back."""
        reply = self.authorize("POST", "decision=agree", **changes)
        self.assertEqual(reply.status, 302)
        query = parse_qs(urlsplit(reply.headers["Location"]).query)
        return {name: values[0] for name, values in query.items()}

    def exchange(self, code, **changes):
        form = {"redirect_uri": CALLBACK, "code_verifier": VERIFIER, **changes}
        form = {name: value for name, value in form.items() if value is not None}
        return self.mock.token_request(grant_type="authorization_code", code=code, **form)

    def test_the_whole_flow(self):
        page = self.authorize()
        self.assertEqual(page.status, 200)
        self.assertIn(b"Agree", page.body)
        answer = self.agree()
        self.assertEqual(answer["state"], "a b&c")
        tokens = self.exchange(answer["code"]).json()
        self.assertEqual(tokens["scope"], "user-library-read user-read-recently-played")
        self.assertEqual(self.mock.refresh(tokens["refresh_token"]).status, 200)
        self.assertEqual(self.mock.get("/me", tokens["access_token"]).status, 200)

    def test_the_user_refuses(self):
        reply = self.authorize("POST", "decision=cancel")
        self.assertEqual(
            reply.headers["Location"], CALLBACK + "?error=access_denied&state=a+b%26c"
        )

    def test_an_approved_app_passes(self):
        self.agree()
        self.assertEqual(self.authorize().status, 302)
        self.assertEqual(self.authorize(show_dialog="true").status, 200)
        self.assertEqual(self.authorize(scope="user-top-read").status, 200)
        self.mock.post("config", auto_approve=True)
        self.assertEqual(self.authorize(scope="user-top-read").status, 302)

    def test_another_user_agrees(self):
        self.mock.post("user", id="other")
        reply = self.authorize("POST", "decision=agree&user=other")
        code = parse_qs(urlsplit(reply.headers["Location"]).query)["code"][0]
        token = self.exchange(code).json()["access_token"]
        self.assertEqual(self.mock.get("/me", token).json()["id"], "other")

    def test_the_request_is_checked(self):
        for changes in (
            {"client_id": "nobody"},
            {"response_type": "token"},
            {"response_type": None},
            {"redirect_uri": None},
            {"redirect_uri": CALLBACK + "/"},
            {"redirect_uri": "http://localhost:8888/callback"},
            {"redirect_uri": "https://example.org:8443/callback"},
            {"scope": "user-library-write"},
            {"code_challenge_method": "plain"},
            {"code_challenge": "short"},
            {"code_challenge": None},
            {"client_id": "mock-pkce-client", "code_challenge": None,
             "code_challenge_method": None},
        ):
            self.assertEqual(self.authorize(**changes).status, 400, changes)

    def test_a_loopback_address_has_any_port(self):
        for uri in ("http://127.0.0.1:54321/callback", "http://[::1]:7/callback"):
            self.assertEqual(self.authorize(redirect_uri=uri).status, 200, uri)

    def test_a_code_is_for_one_use(self):
        code = self.agree()["code"]
        for changes, error in (
            ({"redirect_uri": CALLBACK + "/"}, "invalid_grant"),
            ({"redirect_uri": None}, "invalid_request"),
            ({"code_verifier": "w" * 64}, "invalid_grant"),
            ({"code_verifier": "short"}, "invalid_request"),
            ({"code_verifier": None}, "invalid_request"),
            ({"client": ("mock-pkce-client", "")}, "invalid_client"),
        ):
            reply = self.exchange(code, **changes)
            self.assertEqual(reply.json()["error"], error, changes)
        self.assertEqual(self.exchange(code).status, 200)
        message = ("invalid_grant", "Invalid authorization code")
        self.assert_error(self.exchange(code), 400, message)

    def test_a_code_expires(self):
        code = self.agree()["code"]
        self.mock.post("clock", advance=601)
        message = ("invalid_grant", "Authorization code expired")
        self.assert_error(self.exchange(code), 400, message)

    def test_a_code_without_a_challenge(self):
        code = self.agree(code_challenge=None, code_challenge_method=None)["code"]
        self.assertEqual(self.exchange(code).status, 400)
        self.assertEqual(self.exchange(code, code_verifier=None).status, 200)
