// Support of the tests of this room: a console in memory, and golden files under tests/cli/.
//
// A golden file holds the command, both streams and the exit code. SLIPWAY_UPDATE_GOLDEN=1 rewrites them;
// read the diff.
#pragma once

#include <gtest/gtest.h>

#include <cstdlib>
#include <deque>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>
#include <utility>
#include <vector>

#include "cli/app.h"

namespace slipway::cli {

class MemoryConsole final : public Console {
 public:
  explicit MemoryConsole(TerminalFacts facts = {}, std::deque<std::string> input = {})
      : Console(facts), input_(std::move(input)) {}
  void out(std::string_view text) override { out_ += text; }
  void err(std::string_view text) override { err_ += text; }
  std::optional<std::string> read_line(std::string_view prompt) override {
    err_ += prompt;
    if (input_.empty()) return std::nullopt;
    std::string line = std::move(input_.front());
    input_.pop_front();
    return line;
  }
  std::string read_all(std::size_t) override {
    std::string text;
    while (auto line = read_line("")) text += *line + "\n";
    return text;
  }
  std::optional<std::string> read_secret(std::string_view prompt) override { return read_line(prompt); }
  const std::string& out_text() const { return out_; }
  const std::string& err_text() const { return err_; }

 private:
  std::deque<std::string> input_;
  std::string out_, err_;
};

struct Ran {
  int exit_code = 0;
  std::string out, err;
};

inline TerminalFacts terminal(int width = 100) {
  return {.in_tty = true, .out_tty = true, .err_tty = true, .cursor = true, .width = width, .height = 24};
}

inline Ran run_cli(const std::vector<std::string>& arguments, TerminalFacts facts = {},
                   std::deque<std::string> input = {}) {
  MemoryConsole console(facts, std::move(input));
  Ran ran;
  ran.exit_code = run(arguments, console);
  ran.out = console.out_text();
  ran.err = console.err_text();
  return ran;
}

inline std::string read_whole(const std::filesystem::path& path) {
  std::ifstream in(path, std::ios::binary);
  std::ostringstream text;
  text << in.rdbuf();
  return text.str();
}

// What differs from run to run, and the word that stands for it in golden files.
using Replacements = std::vector<std::pair<std::string, std::string>>;

inline void expect_golden_text(const std::string& file, const std::string& text) {
  const auto path = std::filesystem::path(SLIPWAY_SOURCE_DIR) / file;
  if (std::getenv("SLIPWAY_UPDATE_GOLDEN") != nullptr) {
    std::filesystem::create_directories(path.parent_path());
    std::ofstream(path, std::ios::binary) << text;
  }
  EXPECT_EQ(text, read_whole(path)) << "differs from " << file << "; SLIPWAY_UPDATE_GOLDEN=1 rewrites it";
}

inline void expect_golden(const std::string& name, const std::vector<std::string>& arguments, const Ran& ran,
                          const Replacements& replacements = {}) {
  std::string text = "$ slipway";
  for (const std::string& argument : arguments) {
    text += argument.find(' ') == std::string::npos && !argument.empty() ? " " + argument
                                                                         : " \"" + argument + "\"";
  }
  text += "\n--- stdout\n" + ran.out + "--- stderr\n" + ran.err + "--- exit " +
          std::to_string(ran.exit_code) + "\n";
  for (const auto& [from, to] : replacements) {
    for (std::size_t at = text.find(from); at != std::string::npos; at = text.find(from, at + to.size())) {
      text.replace(at, from.size(), to);
    }
  }
  expect_golden_text("tests/cli/" + name + ".txt", text);
}

}  // namespace slipway::cli
