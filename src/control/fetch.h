// A model's file, here and checked: fetched through the store, its header read by our own reader before any
// loader sees it. Blocking: runs on the jobs thread.
#pragma once

#include <atomic>
#include <string>

#include "base/result.h"
#include "codec/gguf.h"
#include "store/model_store.h"

namespace slipway::control {

struct CheckedFile {
  store::FetchedModel file;
  codec::GgufInfo info;
};

base::Result<CheckedFile> fetch_checked(store::ModelStore& models, const domain::ModelFile& wanted,
                                        const store::OnFetchProgress& on_progress,
                                        const std::atomic<bool>* cancelled);

// The header of a file here. gguf_corrupt names the file and the offset.
base::Result<codec::GgufInfo> read_gguf_file(const std::string& path);

}  // namespace slipway::control
