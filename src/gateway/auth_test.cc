#include "gateway/auth.h"

#include <gtest/gtest.h>

#include "store/keys.h"

namespace slipway::gateway {
namespace {

using base::ErrorCode;
using namespace std::chrono_literals;

const base::WallTime kNow(std::chrono::milliseconds(1'800'000'000'000));
constexpr std::string_view kSecret = "sk-slip-secret";

domain::KeySet keys(bool required) {
  domain::KeySet set;
  set.required = required;
  domain::Key key;
  key.id = base::KeyId("key_1");
  key.digest = store::key_digest(kSecret);
  key.scopes = {"inference"};
  set.keys.emplace(key.digest, key);
  return set;
}

codec::HttpHead parsed(std::string_view text) {
  codec::HttpHead head;
  const auto complete = codec::parse_request_head(text, head);
  EXPECT_TRUE(complete && *complete);
  return head;
}

struct Row {
  const char* name;
  std::string headers;  // after Host
  std::string host = "127.0.0.1:8000";
  bool required = true;
  std::optional<ErrorCode> error;
  bool known = false;  // a key is found
};

TEST(Authenticate, DecidesByKeyHostAndOrigin) {
  const std::string good = "Authorization: Bearer " + std::string(kSecret) + "\r\n";
  const Row rows[] = {
      {"a key", good, "127.0.0.1", true, {}, true},
      {"the scheme in any case",
       "authorization: bEARER  " + std::string(kSecret) + "\r\n",
       "x.example",
       true,
       {},
       true},
      {"no key where one is needed", "", "127.0.0.1", true, ErrorCode::key_missing},
      {"a wrong key", "Authorization: Bearer sk-slip-wrong\r\n", "127.0.0.1", true, ErrorCode::key_invalid},
      {"another scheme", "Authorization: Basic abc\r\n", "127.0.0.1", true, ErrorCode::key_missing},
      {"an empty credential", "Authorization: Bearer \r\n", "127.0.0.1", true, ErrorCode::key_missing},
      {"keyless on loopback", "", "127.0.0.1:8000", false, {}},
      {"keyless, a placeholder key", "Authorization: Bearer none\r\n", "localhost:8000", false, {}},
      {"keyless, but a mistyped key of ours", "Authorization: Bearer sk-slip-wrong\r\n", "localhost", false,
       ErrorCode::key_invalid},
      {"keyless, a good key counts", good, "localhost", false, {}, true},
      {"DNS rebinding", "", "attacker.example:8000", false, ErrorCode::cross_site},
      {"a key makes any host right", good, "gateway.example", false, {}, true},
      {"a page of this machine", "Origin: http://localhost:3000\r\n", "localhost", false, {}},
      {"a page of another site", "Origin: https://attacker.example\r\n", "localhost", false,
       ErrorCode::cross_site},
      {"a sandboxed page", "Origin: null\r\n", "localhost", false, ErrorCode::cross_site},
      {"a cross-site GET", "Sec-Fetch-Site: cross-site\r\n", "localhost", false, ErrorCode::cross_site},
      {"the address bar", "Sec-Fetch-Site: none\r\n", "localhost", false, {}},
  };
  for (const Row& row : rows) {
    const std::string text = "GET /v1/models HTTP/1.1\r\nHost: " + row.host + "\r\n" + row.headers + "\r\n";
    codec::HttpHead head;
    const auto complete = codec::parse_request_head(text, head);
    ASSERT_TRUE(complete && *complete) << row.name;
    const domain::KeySet set = keys(row.required);
    const auto who = authenticate(head, set, {.required = row.required}, kNow);
    ASSERT_EQ(who.has_value(), !row.error) << row.name;
    if (row.error)
      EXPECT_EQ(who.error().code(), *row.error) << row.name;
    else
      EXPECT_EQ(*who != nullptr, row.known) << row.name;
  }
}

TEST(Authenticate, AKeyInTheUrlIsNoKey) {
  const std::string text =
      "GET /v1/models?api_key=" + std::string(kSecret) + " HTTP/1.1\r\nHost: localhost\r\n\r\n";
  const domain::KeySet set = keys(true);
  const codec::HttpHead head = parsed(text);
  EXPECT_EQ(authenticate(head, set, {.required = true}, kNow).error().code(), ErrorCode::key_missing);
}

TEST(Authenticate, ExpiryIsCheckedAtUse) {
  domain::KeySet set = keys(true);
  set.keys.begin()->second.expires = kNow;
  const std::string text =
      "GET / HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer " + std::string(kSecret) + "\r\n\r\n";
  const codec::HttpHead head = parsed(text);
  EXPECT_TRUE(authenticate(head, set, {.required = true}, kNow - 1ms));
  const auto late = authenticate(head, set, {.required = true}, kNow);
  ASSERT_FALSE(late);
  EXPECT_NE(late.error().message().find("expired at"), std::string::npos);
}

TEST(Authenticate, OnAUnixSocketThereIsNoBrowser) {
  const codec::HttpHead head = parsed("GET / HTTP/1.1\r\nHost: anything\r\n\r\n");
  const domain::KeySet set = keys(false);
  EXPECT_TRUE(authenticate(head, set, {.required = false, .local_socket = true}, kNow));
}

TEST(LocalHost, IsAnyNameOfThisMachineAndNoOther) {
  for (const char* host :
       {"localhost", "LOCALHOST:80", "app.localhost", "127.0.0.1", "127.1.2.3:9", "[::1]", "[::1]:80"})
    EXPECT_TRUE(is_local_host(host)) << host;
  for (const char* host :
       {"", "localhost.example", "127.0.0.1.nip.io", "127.example", "10.0.0.1", "xlocalhost", "::1"})
    EXPECT_FALSE(is_local_host(host)) << host;
}

TEST(Scopes, AndModelsAreChecked) {
  domain::Key key;
  key.scopes = {"inference"};
  EXPECT_TRUE(check_scope(key, "inference"));
  EXPECT_EQ(check_scope(key, "admin").error().code(), ErrorCode::key_scope);
  EXPECT_TRUE(may_use(nullptr, "m"));
  EXPECT_TRUE(may_use(&key, "m"));
  key.models = {"n"};
  EXPECT_FALSE(may_use(&key, "m"));
}

}  // namespace
}  // namespace slipway::gateway
