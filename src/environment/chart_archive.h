// A chart that its project publishes only inside an archive of its source (GitHub's /archive/...tar.gz): Helm
// takes archives of a chart alone.
#pragma once

#include <filesystem>
#include <string>

#include "base/result.h"

namespace slipway::environment {

struct ArchivedChart {
  std::string url;     // of a .tar.gz with one top folder
  std::string inside;  // the chart's folder below that one: "dist/chart"
};
// The chart in `folder`, which appears whole or not at all; one that is there is used as it is. Blocking.
// Failure: download_failed, dependency_missing (tar), addon_failed when the archive has no chart there.
base::Result<void> unpack_chart(const ArchivedChart& chart, const std::filesystem::path& folder);

}  // namespace slipway::environment
