// Keeps the objects of one kind current: a list, then a watch from there, for as long as it lives.
//
// A watch that ends goes on where it ended; one whose version is too old lists again; an API that does not
// answer is asked again with growing pauses, and meanwhile the last objects stand: they are the best that is
// known. A list every kRelist catches what a broken proxy swallowed. Owns one thread, which calls
// `on_change`; the client is used by that thread only. Stopping takes about a second.
#pragma once

#include <atomic>
#include <functional>
#include <string>
#include <thread>

#include "base/time.h"
#include "kube/client.h"
#include "kube/watched_set.h"

namespace slipway::kube {

class Informer {
 public:
  struct Options {
    std::string path;      // of all objects: Resource::path
    std::string selector;  // label selector; may be empty
    base::Duration relist = std::chrono::minutes(10);
    base::Duration first_pause = std::chrono::milliseconds(200);
    base::Duration longest_pause = std::chrono::seconds(10);
  };
  // `error`: why the objects may be old; empty when the watch runs.
  using OnChange = std::function<void(const WatchedSet::Objects& objects, const std::string& error)>;

  Informer(Client client, Options options, OnChange on_change);
  ~Informer();

 private:
  void run(const std::stop_token& stop);
  base::Result<void> follow();
  void pause(const std::stop_token& stop, base::Duration time) const;

  Client client_;
  const Options options_;
  const OnChange on_change_;
  WatchedSet set_;
  base::MonotonicTime listed_ = base::MonotonicTime::min();
  std::atomic<bool> stopping_{false};
  std::jthread thread_;
};

}  // namespace slipway::kube
