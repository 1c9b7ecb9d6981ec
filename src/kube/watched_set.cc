#include "kube/watched_set.h"

#include <charconv>
#include <optional>

namespace slipway::kube {
namespace {

std::optional<std::uint64_t> number(const std::string& version) {
  std::uint64_t value = 0;
  const auto [end, error] = std::from_chars(version.data(), version.data() + version.size(), value);
  if (error != std::errc() || end != version.data() + version.size() || version.empty()) return std::nullopt;
  return value;
}

const Json& meta(const Json& object) {
  return codec::field(object, "metadata");
}

std::string key_of(const Json& object) {
  return codec::text(meta(object), "namespace") + "/" + codec::text(meta(object), "name");
}

}  // namespace

bool WatchedSet::is_newer(const std::string& version) const {
  const auto known = number(version_), given = number(version);
  return !known || !given || *given > *known;
}

bool WatchedSet::replace(const Json& list) {
  const std::string version = codec::text(meta(list), "resourceVersion");
  if (version != version_ && !is_newer(version)) return false;
  Objects next;
  for (const Json& object : codec::list(list, "items")) next[key_of(object)] = object;
  objects_ = std::move(next);
  version_ = version;
  return true;
}

bool WatchedSet::take(const WatchEvent& event) {
  const std::string version = codec::text(meta(event.object), "resourceVersion");
  if (version.empty() || !is_newer(version)) return false;
  version_ = version;
  if (event.type == "ADDED" || event.type == "MODIFIED") {
    objects_[key_of(event.object)] = event.object;
    return true;
  }
  return event.type == "DELETED" && objects_.erase(key_of(event.object)) > 0;
}

}  // namespace slipway::kube
