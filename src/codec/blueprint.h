// The blueprint: the one table of variables of a *.tfvars file, and its reading into domain::Blueprint.
//
// The table (blueprint_table.cc) names each variable with its type, default, meaning and the targets that
// read it; the reader, `config explain`, docs/blueprint.md and the environment variables SLIPWAY_<NAME>
// all come from it. The reference platform's variables are in it, so its files load unchanged.
//
// Target: what the file says; a file without `target` that sets a variable which only a cluster reads
// describes an "eks" environment (that is what the reference's files are); otherwise "local".
//
// Failure: syntax, unknown_key with "did you mean", wrong_type, bad_value, each with line, column and caret.
#pragma once

#include <span>
#include <string>
#include <string_view>

#include "base/result.h"
#include "codec/diagnostic.h"
#include "domain/blueprint.h"

namespace slipway::codec {

enum class VariableType {
  text,
  boolean,
  integer,
  number,
  text_list,
  boolean_map,
  integer_map,
  text_map,
  any
};
std::string_view type_words(VariableType type);

// Which targets read a variable, and whether it is handed to Terraform; bits.
enum TargetSet : unsigned {
  kLocal = 1,
  kKubernetes = 2,
  kEks = 4,
  kClusters = kKubernetes | kEks,
  kEverywhere = 7,
  kTerraform = 8
};

struct Variable {
  std::string_view name;
  VariableType type;
  std::string_view default_text;  // as it is written in a tfvars file
  unsigned targets;               // TargetSet
  std::string_view meaning;       // one sentence
  // Of a variable that is accepted and not honoured: why, and what to use. A file that sets it to something
  // else than its default gets this as a warning.
  std::string_view instead = {};
};
std::span<const Variable> blueprint_variables();
const Variable* find_variable(std::string_view name);
std::string_view readers_words(
    const Variable& variable);  // "every target", "local", "kubernetes, eks", "eks"
// "SLIPWAY_GATEWAY_PORT"
std::string environment_name(const Variable& variable);

// The table's defaults, for every target.
domain::Blueprint default_blueprint();
base::Result<domain::Blueprint> parse_blueprint(const Source& source);

// Sets one variable from a flag's or an environment variable's text; lists are written with commas, maps and
// objects cannot be set this way. `origin` is that name.
base::Result<void> set_variable(domain::Blueprint& blueprint, std::string_view name, std::string_view text,
                                std::string_view origin);
// The value in force, as tfvars text; empty for a variable that the local target does not read.
std::string value_text(const domain::Blueprint& blueprint, std::string_view name);

// target_unsupported, in plain words, for a blueprint that describes another target than "local".
base::Result<void> require_local(const domain::Blueprint& blueprint);

// The table as Markdown: the body of docs/blueprint.md.
std::string blueprint_markdown();

std::string_view to_string(domain::Target target);

}  // namespace slipway::codec
