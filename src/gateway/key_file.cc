#include "gateway/key_file.h"

#include <fmt/format.h>

#include <algorithm>
#include <bitset>
#include <charconv>
#include <filesystem>

#include "codec/diagnostic.h"
#include "io/files.h"
#include "store/keys.h"
#include "telemetry/log.h"

namespace slipway::gateway {

using base::Error, base::ErrorCode, base::Result;

namespace {

constexpr std::size_t kMaxKeyFile = 4u << 20;
constexpr std::size_t kMinKeyBytes = 16;
constexpr std::string_view kLineSyntax = "KEY [requests/min [tokens/min [at once]]] [scope=inference,admin]";
constexpr std::string_view kScope = "scope=";
constexpr std::string_view kBlank = " \t\r";

// One line and how far it was read.
struct Line {
  std::string_view file;
  int number = 0;
  std::string_view text;
  std::size_t at = 0;  // where the last word began

  // The next word; empty at the end of the line.
  std::string_view next() {
    const auto start = text.find_first_not_of(kBlank, at);
    at = std::min(start, text.size());
    return text.substr(at, text.find_first_of(kBlank, at) - at);
  }
  // The word that next() gave is understood.
  void take(std::string_view word) { at += word.size(); }

  Error error(ErrorCode code, std::string_view what, std::size_t offset = 0) const {
    const codec::Place place{number, static_cast<int>(at + offset) + 1};
    return Error(code, fmt::format("{} ({})", what, codec::at(file, place)))
        .with_next(fmt::format("Write the line as: {}", kLineSyntax));
  }
};

// A word as an error may show it: one that is as long as a key may be one.
std::string shown(std::string_view word) {
  return word.size() < kMinKeyBytes ? fmt::format("`{}`", word) : "a word of a key's length";
}

// Limits come first, in their order; the first word that is not a number ends them.
Result<domain::KeyLimits> read_limits(Line& line) {
  domain::KeyLimits limits;
  for (std::uint32_t* const limit :
       {&limits.requests_per_minute, &limits.tokens_per_minute, &limits.concurrent}) {
    const std::string_view word = line.next();
    if (word.empty() || word.starts_with(kScope)) break;
    const auto [end, failed] = std::from_chars(word.data(), word.data() + word.size(), *limit);
    if (failed != std::errc() || end != word.data() + word.size())
      return line.error(ErrorCode::bad_value,
                        fmt::format("{} is neither a limit (a number; 0 is none) nor a scope", shown(word)));
    line.take(word);
  }
  return limits;
}

Result<std::vector<std::string>> read_scopes(Line& line) {
  std::vector<std::string> scopes;
  const std::string_view word = line.next();
  if (word.empty()) return std::vector<std::string>{"inference"};
  if (!word.starts_with(kScope))
    return line.error(ErrorCode::bad_value,
                      fmt::format("{} follows three limits, where only a scope may", shown(word)));
  for (std::size_t from = kScope.size(); from <= word.size();) {
    const std::string_view scope = word.substr(from, word.find(',', from) - from);
    if (scope != "inference" && scope != "admin")
      return line.error(ErrorCode::bad_value,
                        fmt::format("{} is not a scope; the scopes are inference and admin", shown(scope)),
                        from);
    if (std::ranges::find(scopes, scope) == scopes.end()) scopes.emplace_back(scope);
    from += scope.size() + 1;
  }
  line.take(word);
  if (const std::string_view more = line.next(); !more.empty())
    return line.error(ErrorCode::bad_value, fmt::format("{} follows the scope, which is last", shown(more)));
  return scopes;
}

// An id that says nothing of the key: the first digits of its digest.
std::string id_of(const domain::KeyDigest& digest) {
  return fmt::format("key_{:02x}", fmt::join(digest.begin(), digest.begin() + 5, ""));
}

// Adds the line's key, if it has one.
Result<void> read_line(Line line, domain::KeySet& set) {
  const std::string_view secret = line.next();
  if (secret.empty() || secret.starts_with('#')) return {};
  if (secret.starts_with(kScope))
    return line.error(ErrorCode::bad_value, "a line begins with its key, this one with a scope");
  if (secret.size() < kMinKeyBytes)
    return line.error(ErrorCode::bad_value, fmt::format("a key has at least {} characters, this one has {}",
                                                        kMinKeyBytes, secret.size()));
  domain::Key key;
  key.digest = store::key_digest(secret);
  key.id = base::KeyId(id_of(key.digest));
  key.name = key.id.str();
  key.slot = static_cast<std::uint32_t>(set.keys.size());
  if (set.keys.contains(key.digest)) return line.error(ErrorCode::bad_value, "this key is there twice");
  if (set.keys.size() == domain::kMaxKeys)
    return line.error(ErrorCode::bad_value,
                      fmt::format("a key file holds at most {} keys", domain::kMaxKeys));
  line.take(secret);
  SLIPWAY_TRY(key.limits, read_limits(line));
  SLIPWAY_TRY(key.scopes, read_scopes(line));
  set.keys.emplace(key.digest, std::move(key));
  return {};
}

}  // namespace

Result<domain::KeySet> parse_key_file(std::string_view name, std::string_view text) {
  domain::KeySet set;
  set.required = true;
  for (int number = 1; !text.empty(); ++number) {
    const std::string_view line = text.substr(0, text.find('\n'));
    text.remove_prefix(std::min(text.size(), line.size() + 1));
    SLIPWAY_RETURN_IF_ERROR(read_line({.file = name, .number = number, .text = line}, set));
  }
  if (set.keys.empty())
    return Error(ErrorCode::bad_value, fmt::format("the key file {} holds no key", name))
        .with_next(fmt::format("Write one key a line: {}", kLineSyntax));
  return set;
}

void keep_slots(domain::KeySet& fresh, const domain::KeySet& before) {
  std::bitset<domain::kMaxKeys> taken;
  std::vector<domain::Key*> added;
  for (auto& [digest, key] : fresh.keys) {
    const auto known = before.keys.find(digest);
    if (known == before.keys.end()) {
      added.push_back(&key);
      continue;
    }
    key.slot = known->second.slot;
    taken.set(key.slot);
  }
  std::uint32_t next = 0;
  for (domain::Key* key : added) {
    while (taken.test(next)) ++next;
    key->slot = next++;
  }
}

Result<void> KeyFile::read() {
  using std::filesystem::perms;
  std::error_code ignored;  // a file that is not there is named by read_file
  const perms mode = std::filesystem::status(path_, ignored).permissions();
  if (mode != perms::unknown && (mode & (perms::group_write | perms::others_all)) != perms::none)
    return Error(ErrorCode::permission, "others can read the key file " + path_)
        .with_next("Run: chmod 600 " + path_);
  SLIPWAY_TRY(const std::string text, io::read_file(path_, kMaxKeyFile));
  const domain::KeyDigest digest = store::key_digest(text);
  if (digest == read_) return {};
  SLIPWAY_TRY(domain::KeySet fresh, parse_key_file(path_, text));
  read_ = digest;
  keep_slots(fresh, *keys_.load());
  keys_.publish(std::make_shared<const domain::KeySet>(std::move(fresh)));
  return {};
}

void KeyFile::read_again() {
  const auto before = keys_.load();
  const Result<void> done = read();
  const std::string problem = done ? "" : done.error().to_string();
  if (!problem.empty() && problem != problem_)
    telemetry::log(telemetry::Level::error, "key_file", "the keys stay as they were: " + problem);
  else if (const auto now = keys_.load(); now != before)
    telemetry::log(telemetry::Level::info, "key_file", "the key file was read again",
                   {{"keys_before", static_cast<std::int64_t>(before->keys.size())},
                    {"keys", static_cast<std::int64_t>(now->keys.size())}});
  problem_ = problem;
}

}  // namespace slipway::gateway
