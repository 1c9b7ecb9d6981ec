// Which shared libraries a program needs, as this machine's dynamic loader finds them.
//
// The loader itself is asked (`LOADER --list PROGRAM`): it knows run paths, its cache and what libraries need
// in turn. Blocking; threads: main (a child). Failure: dependency_missing with the name of a library that is
// not there; bad_value with the loader's words for what is no program of this machine, or one without glibc.
#pragma once

#include <filesystem>
#include <map>
#include <string>
#include <string_view>

#include "base/result.h"

namespace slipway::environment {

struct SharedLibraries {
  std::filesystem::path loader;  // where programs ask for it: /lib64/ld-linux-x86-64.so.2
  // "libc.so.6" (always there) -> its file; without the loader.
  std::map<std::string, std::filesystem::path> by_name;
};

base::Result<SharedLibraries> shared_libraries_of(const std::filesystem::path& program);
// What the loader printed.
base::Result<SharedLibraries> parse_loader_list(std::string_view text);

}  // namespace slipway::environment
