// What the fake worker does wrong, read from its model file: the first line that holds "fake:" (anywhere in
// the first 64 KiB, so that a GGUF may carry it in its metadata), then words name=value up to the end of the
// line.
#pragma once

#include <map>
#include <string>

namespace slipway::fake {

struct Switches {
  int load_ms = 0;  // time to load, in steps with progress lines
  int load_steps = 4;
  bool load_hangs = false;  // stops half way, alive and silent
  int exit_at_start = 0;    // exit status instead of loading
  std::string fail_code;    // a `failed` line with this code, then exit 1
  int tokens = 8;           // of an answer without max_tokens
  int token_ms = 1;
  int hang_after = -1;           // tokens over all requests; then no beats, no bytes
  int truncate_after = -1;       // tokens of one answer; then the connection closes
  int drip_ms = 0;               // one byte a write, with this pause
  bool garbage = false;          // answers bytes that are not HTTP
  bool garbage_control = false;  // control lines that are not JSON
  bool ignores_term = false;
  bool ignores_parent = false;  // stays when the control socket ends
  int prints = 0;               // lines of output at start
  int crash_after_ms = 0;       // after ready: SIGSEGV
};

Switches read_switches(const std::string& model_file);

}  // namespace slipway::fake
