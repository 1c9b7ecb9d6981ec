// Who calls: the key behind a request, or why it may not come in.
//
// A key is looked up by the SHA-256 of its whole text, so that nothing secret is kept, compared or logged.
// Without keys (loopback only) a browser page must not reach the models: its Host must be a name of this
// machine (no DNS rebinding) and its Origin, if any, a page of this machine. Keys in URLs are never looked
// at. Pure; any thread.
#pragma once

#include <string_view>

#include "base/result.h"
#include "base/time.h"
#include "codec/http_head.h"
#include "domain/key.h"

namespace slipway::gateway {

struct AuthRules {
  bool required = false;      // a valid key is needed
  bool local_socket = false;  // a unix socket: no browser can reach it
};

// nullptr: nobody in particular (allowed only while keys are not required). Points into `keys`.
// While keys are not required, a credential that does not look like a key of ours is ignored, because
// OpenAI's clients insist on sending one; one that does must be valid, so that a mistyped key is noticed.
base::Result<const domain::Key*> authenticate(const codec::HttpHead& head, const domain::KeySet& keys,
                                              AuthRules rules, base::WallTime now);

// key_scope unless the key has that scope.
base::Result<void> check_scope(const domain::Key& key, std::string_view scope);
bool may_use(const domain::Key* key, std::string_view model_id);

// "localhost:8000", "app.localhost", "127.0.0.1", "[::1]:80"
bool is_local_host(std::string_view host);

}  // namespace slipway::gateway
