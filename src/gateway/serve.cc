#include "gateway/serve.h"

#include <algorithm>
#include <bitset>
#include <charconv>
#include <csignal>
#include <filesystem>
#include <memory>

#include "io/append_file.h"
#include "io/files.h"
#include "io/http.h"
#include "io/service.h"
#include "store/keys.h"
#include "telemetry/log.h"

namespace slipway::gateway {

using base::Error, base::ErrorCode, base::Result;

namespace {

constexpr std::size_t kMaxKeyFile = 4u << 20;
constexpr std::size_t kMinKeyBytes = 16;
constexpr auto kKeyFileEvery = std::chrono::seconds(2);

domain::Model& model_named(domain::Snapshot& snapshot, std::string_view id) {
  auto it = std::ranges::find(snapshot.models, id, &domain::Model::id);
  if (it == snapshot.models.end()) {
    domain::Model model;
    model.id = id;
    it = snapshot.models.insert(it, std::move(model));
  }
  return *it;
}

// Takes the next word of a line.
std::string_view next_word(std::string_view& line) {
  const auto start = line.find_first_not_of(" \t\r");
  if (start == std::string_view::npos) return line = {};
  line.remove_prefix(start);
  const auto word = line.substr(0, line.find_first_of(" \t\r"));
  line.remove_prefix(word.size());
  return word;
}

Result<std::uint32_t> read_limit(std::string_view word, int line) {
  std::uint32_t n = 0;
  if (word.empty()) return n;
  const auto [end, failed] = std::from_chars(word.data(), word.data() + word.size(), n);
  if (failed != std::errc() || end != word.data() + word.size())
    return Error(ErrorCode::bad_value, "line " + std::to_string(line) + ": `" + std::string(word) +
                                           "` is not a limit (a number; 0 is none)");
  return n;
}

// An id that says nothing of the key: the first digits of its digest.
std::string id_of(const domain::KeyDigest& digest) {
  constexpr std::string_view kDigits = "0123456789abcdef";
  std::string id = "key_";
  for (std::size_t i = 0; i < 5; ++i) id += {kDigits[digest[i] >> 4], kDigits[digest[i] & 15]};
  return id;
}

// A key file and the KeySet made from it.
class KeyFile {
 public:
  KeyFile(std::string path, base::Published<domain::KeySet>& keys) : path_(std::move(path)), keys_(keys) {}

  Result<void> read() {
    using std::filesystem::perms;
    std::error_code ignored;  // a file that is not there is named by read_file
    const perms mode = std::filesystem::status(path_, ignored).permissions();
    if (mode != perms::unknown && (mode & (perms::group_write | perms::others_all)) != perms::none)
      return Error(ErrorCode::permission, "others can read the key file " + path_)
          .with_next("Run: chmod 600 " + path_);
    SLIPWAY_TRY(const std::string text, io::read_file(path_, kMaxKeyFile));
    const domain::KeyDigest digest = store::key_digest(text);
    if (digest == read_) return {};
    read_ = digest;
    auto fresh = parse_key_file(text);
    if (!fresh) return std::move(fresh).error().with_context("reading " + path_);
    keep_slots(*fresh, *keys_.load());
    keys_.publish(std::make_shared<const domain::KeySet>(*std::move(fresh)));
    return {};
  }

  // In a cluster the file changes when its Secret does.
  void read_again() {
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

 private:
  const std::string path_;
  base::Published<domain::KeySet>& keys_;
  domain::KeyDigest read_{};  // of the text that was read last
  std::string problem_;       // that was logged last
};

}  // namespace

Result<domain::Snapshot> static_snapshot(const std::vector<std::string>& replicas) {
  if (replicas.empty())
    return Error(ErrorCode::missing_key, "no replica is named").with_next("Add --replica MODEL=ENDPOINT.");
  if (replicas.size() > domain::kMaxReplicas)
    return Error(ErrorCode::bad_value,
                 "at most " + std::to_string(domain::kMaxReplicas) + " replicas are served");
  domain::Snapshot snapshot;
  std::uint32_t slot = 0;
  for (const std::string& text : replicas) {
    const auto equals = text.find('=');
    if (equals == std::string::npos || equals == 0)
      return Error(ErrorCode::bad_value, "`" + text + "` is not MODEL=ENDPOINT");
    domain::Replica replica;
    SLIPWAY_TRY(replica.endpoint, io::parse_endpoint(std::string_view(text).substr(equals + 1)));
    replica.model_id = text.substr(0, equals);
    replica.state = domain::ReplicaState::ready;
    replica.slot = slot++;
    domain::Model& model = model_named(snapshot, replica.model_id);
    replica.id = base::ReplicaId(model.id + "-" + std::to_string(model.replicas.size()));
    model.replicas.push_back(std::move(replica));
  }
  std::ranges::sort(snapshot.models, {}, &domain::Model::id);
  for (domain::Model& model : snapshot.models) std::ranges::sort(model.replicas, {}, &domain::Replica::id);
  return snapshot;
}

Result<domain::KeySet> parse_key_file(std::string_view text) {
  domain::KeySet set;
  set.required = true;
  for (int number = 1; !text.empty(); ++number) {
    std::string_view line = text.substr(0, text.find('\n'));
    text.remove_prefix(std::min(text.size(), line.size() + 1));
    const std::string_view secret = next_word(line);
    if (secret.empty() || secret.starts_with('#')) continue;
    if (secret.size() < kMinKeyBytes)
      return Error(ErrorCode::bad_value, "line " + std::to_string(number) + ": a key has at least " +
                                             std::to_string(kMinKeyBytes) + " characters");
    domain::Key key;
    key.digest = store::key_digest(secret);
    key.id = base::KeyId(id_of(key.digest));
    key.name = key.id.str();
    key.scopes = {"inference", "admin"};
    key.slot = static_cast<std::uint32_t>(set.keys.size());
    SLIPWAY_TRY(key.limits.requests_per_minute, read_limit(next_word(line), number));
    SLIPWAY_TRY(key.limits.tokens_per_minute, read_limit(next_word(line), number));
    SLIPWAY_TRY(key.limits.concurrent, read_limit(next_word(line), number));
    if (set.keys.size() == domain::kMaxKeys)
      return Error(ErrorCode::bad_value,
                   "a key file holds at most " + std::to_string(domain::kMaxKeys) + " keys");
    if (!set.keys.emplace(key.digest, key).second)
      return Error(ErrorCode::bad_value, "line " + std::to_string(number) + ": this key is there twice");
  }
  if (set.keys.empty()) return Error(ErrorCode::bad_value, "the key file holds no key");
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

Result<void> run_gateway_role(const GatewayRoleOptions& options,
                              const base::Published<domain::Snapshot>& snapshot,
                              const std::function<void(const domain::Endpoint&)>& on_ready) {
  SLIPWAY_TRY(const domain::Endpoint listen, io::parse_endpoint(options.listen));
  base::Published<domain::KeySet> keys;
  KeyFile key_file(options.key_file, keys);
  if (!options.key_file.empty()) SLIPWAY_RETURN_IF_ERROR(key_file.read());
  GatewayOptions gateway_options;
  gateway_options.threads = options.threads;
  gateway_options.ready_without_models = options.ready_without_models;
  std::unique_ptr<io::AppendFile> log;
  if (!options.log.empty()) {
    SLIPWAY_TRY(log, io::AppendFile::open(options.log));
    gateway_options.request_log = [&log](std::string_view lines) { log->append(lines); };
  }
  telemetry::Registry metrics;
  metrics.gauge(telemetry::Metric::build_info, {SLIPWAY_VERSION, "gateway"}).set(1);
  Gateway gateway(std::move(gateway_options), snapshot, keys, metrics);

  io::raise_file_limit();
  io::Loop signals("signals");
  io::on_signals(signals, {SIGINT, SIGTERM}, [&signals](int) { signals.stop(); });
  if (!options.key_file.empty()) signals.every(kKeyFileEvery, [&key_file] { key_file.read_again(); });
  SLIPWAY_RETURN_IF_ERROR(gateway.start(listen));
  if (on_ready) on_ready(gateway.local());
  io::notify_service_manager("READY=1");
  signals.run();
  io::notify_service_manager("STOPPING=1");
  gateway.drain(base::Deadline::after(options.drain));
  gateway.stop();
  return {};
}

}  // namespace slipway::gateway
