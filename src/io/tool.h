// A program that Slipway calls and did not write: terraform, aws, helm, kubectl.
//
// Its environment is ours, reduced to what such programs read: credentials, proxies, homes. Blocking.
// Threads: main (children die with the thread that started them). Failure: dependency_missing with how to
// get it, timeout with the last output; a program that fails is an answer, not an error. Bounds: output
// beyond `output_limit` is dropped, stderr keeps its tail.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "base/time.h"
#include "io/process.h"

namespace slipway::io {

struct ToolNeed {
  std::string name;  // "terraform"
  // Its version is the first x.y or x.y.z that this prints; empty: any version will do.
  std::vector<std::string> version_arguments;
  std::string minimum;     // "1.11.0"
  std::string how_to_get;  // one sentence
};

struct Tool {
  std::string name;
  std::string path;
  std::string version;
};

// Looks on PATH and asks for the version.
base::Result<Tool> find_tool(const ToolNeed& need);

struct ToolCall {
  std::vector<std::string> arguments;
  std::string input = {};                   // stdin
  std::vector<std::string> variables = {};  // "NAME=value", over those passed through
  base::Deadline deadline = {};
  std::size_t output_limit = 64u << 20;
};
struct ToolAnswer {
  ExitStatus status;
  std::string out;
  std::string err;  // the last 16 KiB
  bool ok() const { return status.code == 0 && status.signal == 0; }
  std::string why() const;  // how it ended, and its last words
};
base::Result<ToolAnswer> call_tool(const Tool& tool, const ToolCall& call);

// The variables a tool gets; `more` wins.
std::vector<std::string> tool_environment(const std::vector<std::string>& more = {});
// True when version `a` is older than `b`, compared number by number.
bool older_version(std::string_view a, std::string_view b);

}  // namespace slipway::io
