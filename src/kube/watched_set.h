// The objects of one kind as a watch keeps them, whatever the watch repeats or sends late.
//
// Events of one kind come in the order of their resourceVersion, so an event that is not newer than
// everything seen is a repetition and changes nothing. Versions are compared as numbers where they are
// numbers (KEP-5504), and taken as they come where not. Pure.
#pragma once

#include <cstdint>
#include <map>
#include <string>

#include "kube/client.h"

namespace slipway::kube {

class WatchedSet {
 public:
  // By "namespace/name".
  using Objects = std::map<std::string, Json>;

  // A whole list; false when it is older than what is known, and then nothing changes.
  bool replace(const Json& list);
  // True when the objects changed.
  bool take(const WatchEvent& event);

  // The next list is taken whatever its version; the objects stand until then.
  void forget_version() { version_.clear(); }

  const Objects& objects() const { return objects_; }
  const std::string& version() const {
    return version_;
  }  // where a watch goes on; empty before the first list

 private:
  bool is_newer(const std::string& version) const;
  Objects objects_;
  std::string version_;
};

}  // namespace slipway::kube
