// A verb as a value: its words, its options and what it does. The parser, --help, docs/cli.md and the
// completion scripts are all made from these values, so they cannot disagree.
//
// Each verb's file has one maker, `Verb status_verb()`; verbs.cc lists them. Option targets point into a
// block that the action's closure owns. Threads: one.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "base/result.h"
#include "cli/console.h"
#include "cli/output.h"

namespace slipway::cli {

// Options that every verb takes.
struct Globals {
  OutputFormat output = OutputFormat::table;
  std::string output_flag;  // as given; empty: not given (settings.h resolves both of these)
  std::string environment;
  bool yes = false;
  bool quiet = false;
  bool verbose = false;
};

struct Verb;

struct Invocation {
  Console& console;
  const Globals& globals;
  const std::vector<Verb>& verbs;
};

using Target = std::variant<bool*, std::string*, std::int64_t*, double*, std::vector<std::string>*>;

struct Option {
  std::string names;  // "-f,--file", or "MODEL" for an argument without a dash
  Target target;
  std::string value = {};  // what the value is called in help: "FILE"; empty for flags
  std::string help = {};   // one sentence
  std::vector<std::string> choices = {};
  std::pair<double, double> range = {0, 1e15};  // of numbers
  bool required = false;
  bool hidden = false;
  bool is_file = false;  // completion offers file names
  bool positional() const { return names.front() != '-'; }
};

struct Example {
  std::string command;
  std::string says;
};

// Returns the exit code. An Error is printed by the caller and gives the exit code of its table row.
using Action = std::function<base::Result<int>(Invocation&)>;

struct Verb {
  std::string name;
  std::string group = {};  // heading in `slipway help`
  std::string summary;     // one line, lower case, no full stop
  std::string about = {};  // a paragraph; may be empty
  std::vector<Option> options = {};
  std::vector<Example> examples = {};
  std::vector<std::pair<int, std::string>> exits = {};  // besides 0, 2 and 130, which every verb has
  Action action = {};                                   // empty when only the children do something
  std::vector<Verb> children = {};
};

// All verbs, in the order of `slipway help`.
std::vector<Verb> all_verbs();
// The options of Globals, writing into `globals`.
std::vector<Option> global_options(Globals& globals);

Verb up_verb();
Verb down_verb();
Verb deploy_verb();
Verb undeploy_verb();
Verb models_verb();
Verb status_verb();
Verb logs_verb();
Verb why_verb();
Verb top_verb();
Verb chat_verb();
Verb doctor_verb();
Verb keys_verb();
Verb secret_verb();
Verb plan_verb();
Verb blueprint_verb();
Verb addons_verb();
Verb prices_verb();
Verb image_verb();
Verb config_verb();
Verb explain_verb();
Verb serve_verb();
Verb version_verb();
Verb completion_verb();
Verb help_verb();

}  // namespace slipway::cli
