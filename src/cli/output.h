// What verbs print: tables for people, JSON and YAML for programs, errors in either form.
//
// JSON keeps the order of keys that the control API sends. A shape printed with -o json is documented in
// docs/json-output.md; fields are added, never renamed.
#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "cli/console.h"

namespace slipway::cli {

using Json = nlohmann::ordered_json;

enum class OutputFormat { table, json, yaml };

// A grid with one heading row. Columns are as wide as their widest cell; when the sum exceeds the terminal,
// the widest left-aligned columns are cut with a mark. Cells may be painted; alignment ignores the escape
// sequences.
class Table {
 public:
  enum class Align { left, right };
  struct Column {
    std::string heading = {};
    Align align = Align::left;
    bool keep = false;  // never cut (ids, addresses: what people copy)
  };
  explicit Table(std::vector<Column> columns) : columns_(std::move(columns)) {}
  // Missing cells are empty.
  void add(std::vector<std::string> cells);
  std::size_t rows() const { return rows_.size(); }
  // Cuts to the terminal's width only when stdout is a terminal. At most `max_rows` rows, then a line saying
  // how many more.
  std::string render(const TerminalFacts& facts, std::size_t max_rows = 100'000) const;

 private:
  std::vector<std::size_t> widths(const TerminalFacts& facts) const;
  std::vector<Column> columns_;
  std::vector<std::vector<std::string>> rows_;
};

std::string to_json_text(
    const Json& value);  // indented by 2, with a final newline; invalid UTF-8 becomes U+FFFD
// Block style YAML 1.2 with a final newline. Strings that a YAML reader could take for something else are
// quoted.
std::string to_yaml(const Json& value);
// For json and yaml.
void print_value(Console& console, OutputFormat format, const Json& value);

Json error_json(
    const base::Error& error);  // {"error":{"code":...,"symbol":...,"message":...,"detail":...,"next":...}}
// On stderr: code, what failed, evidence, next step. Returns the exit code of the error.
int print_error(Console& console, OutputFormat format, const base::Error& error);
void print_note(Console& console, std::string_view text);
void print_warning(Console& console, std::string_view text);

// JSON access for answers whose fields may be missing or null: the fallback then.
std::string text_of(const Json& object, const char* key, std::string fallback = "");
double number_of(const Json& object, const char* key, double fallback = 0);
bool flag_of(const Json& object, const char* key, bool fallback = false);
const Json& object_of(const Json& object, const char* key);  // an empty object when it is none
const Json& list_of(const Json& object, const char* key);    // an empty array when it is no array

}  // namespace slipway::cli
