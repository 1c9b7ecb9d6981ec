// The keys of a gateway that has no state folder: a text file, in a cluster a mounted Secret.
//
//   # comment
//   KEY [requests/min [tokens/min [at once]]] [scope=inference,admin]
//
// A limit of 0 is none. Without `scope` a key has the scope inference: it asks models and does not read
// /metrics. Errors name file, line, column and what is expected, and repeat no word that could be a key.
// Threads: one.
#pragma once

#include <string>
#include <string_view>

#include "base/published.h"
#include "base/result.h"
#include "domain/key.h"

namespace slipway::gateway {

// `name`: the file, for errors.
base::Result<domain::KeySet> parse_key_file(std::string_view name, std::string_view text);
// Keys that were there before keep their slots, and so what they have used of their limits.
void keep_slots(domain::KeySet& fresh, const domain::KeySet& before);

// A key file and the KeySet published from it; `keys` outlives it.
class KeyFile {
 public:
  KeyFile(std::string path, base::Published<domain::KeySet>& keys) : path_(std::move(path)), keys_(keys) {}

  // permission where others may read or change the file.
  base::Result<void> read();
  // When it has changed; what is wrong with it then is logged once, and the keys stay as they were.
  void read_again();

 private:
  const std::string path_;
  base::Published<domain::KeySet>& keys_;
  domain::KeyDigest read_{};  // of the text that was read last
  std::string problem_;       // that was logged last
};

}  // namespace slipway::gateway
