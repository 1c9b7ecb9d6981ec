#include "gateway/auth.h"

#include <algorithm>
#include <string>

#include "store/keys.h"

namespace slipway::gateway {
namespace {

using base::Error, base::ErrorCode, base::Result;

constexpr std::size_t kMaxKeyBytes = 256;

bool equal_ignoring_case(std::string_view a, std::string_view b) {
  return std::ranges::equal(a, b, [](char x, char y) { return (x >= 'A' && x <= 'Z' ? x + 32 : x) == y; });
}

// The credential of "Authorization: Bearer X"; empty when there is none.
std::string_view bearer(const codec::HttpHead& head) {
  const auto value = head.find("authorization");
  if (!value) return {};
  const auto space = value->find(' ');
  if (space == std::string_view::npos || !equal_ignoring_case(value->substr(0, space), "bearer")) return {};
  const std::string_view rest = value->substr(space);
  const auto start = rest.find_first_not_of(' ');
  return start == std::string_view::npos ? std::string_view() : rest.substr(start);
}

std::string_view without_port(std::string_view host) {
  if (host.starts_with('[')) return host.substr(0, host.find(']') + 1);
  return host.substr(0, host.find(':'));
}

Error cross_site(std::string what) {
  return Error(ErrorCode::cross_site, std::move(what));
}

// For callers without a key.
Result<void> check_page(const codec::HttpHead& head) {
  const auto host = head.find("host");
  if (!host || !is_local_host(*host))
    return cross_site("the Host header `" + std::string(host.value_or("")) +
                      "` is not a name of this machine");
  if (const auto origin = head.find("origin")) {
    const auto scheme = origin->find("://");
    if (scheme == std::string_view::npos || !is_local_host(origin->substr(scheme + 3)))
      return cross_site("the page `" + std::string(*origin) + "` is not of this machine");
  }
  const auto site = head.find("sec-fetch-site");
  if (site && *site == "cross-site") return cross_site("the browser says that another site's page sent this");
  return {};
}

}  // namespace

bool is_local_host(std::string_view host) {
  host = without_port(host);
  if (host == "[::1]" || equal_ignoring_case(host, "localhost")) return true;
  if (host.size() > 10 && equal_ignoring_case(host.substr(host.size() - 10), ".localhost")) return true;
  // 127.0.0.0/8 in dotted form; a name such as 127.example.com is none.
  return host.starts_with("127.") && host.find_first_not_of("0123456789.") == std::string_view::npos;
}

Result<const domain::Key*> authenticate(const codec::HttpHead& head, const domain::KeySet& keys,
                                        AuthRules rules, base::WallTime now) {
  const std::string_view credential = bearer(head);
  const domain::Key* key = nullptr;
  if (!credential.empty() && credential.size() <= kMaxKeyBytes) {
    const auto it = keys.keys.find(store::key_digest(credential));
    if (it != keys.keys.end()) key = &it->second;
  }
  if (key && !key->revoked && (!key->expires || *key->expires > now)) return key;
  if (key && key->expires && !key->revoked)
    return Error(ErrorCode::key_invalid, "this API key expired at " + base::to_rfc3339(*key->expires));
  if (rules.required && credential.empty())
    return Error(ErrorCode::key_missing, "the request has no API key");
  if (rules.required || credential.starts_with(store::kKeyPrefix))
    return Error(ErrorCode::key_invalid, "this API key is unknown or revoked");
  if (!rules.local_socket) SLIPWAY_RETURN_IF_ERROR(check_page(head));
  return nullptr;
}

Result<void> check_scope(const domain::Key& key, std::string_view scope) {
  if (std::ranges::find(key.scopes, scope) != key.scopes.end()) return {};
  return Error(ErrorCode::key_scope, "this API key lacks the scope `" + std::string(scope) + "`");
}

bool may_use(const domain::Key* key, std::string_view model_id) {
  return !key || key->models.empty() || std::ranges::find(key->models, model_id) != key->models.end();
}

}  // namespace slipway::gateway
