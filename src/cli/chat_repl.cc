#include "cli/chat_repl.h"

#include <fmt/format.h>

#include "cli/interrupt.h"
#include "cli/text.h"

namespace slipway::cli {
namespace {

constexpr std::string_view kHelp =
    "  /help          this list\n"
    "  /clear         forget the conversation\n"
    "  /system TEXT   set the system message and forget the conversation\n"
    "  /exit          leave (also Ctrl-D)\n"
    "  a line that ends in \\ goes on in the next; Ctrl-C stops an answer\n";

class Repl {
 public:
  Repl(Invocation& invocation, ChatClient& client, const ChatRequest& start)
      : invocation_(invocation), console_(invocation.console), client_(client), request_(start) {}

  int run() {
    Interrupt interrupt;
    print_note(console_, fmt::format("{}; /help lists the commands, Ctrl-D leaves", request_.model));
    while (auto prompt = read_prompt()) {
      if (prompt->empty()) continue;
      if (prompt->front() != '/')
        answer(*prompt);
      else if (!command(*prompt))
        break;
    }
    return 0;
  }

 private:
  // nullopt: the input ended. Empty: nothing was asked (an empty line, or Ctrl-C cleared it).
  std::optional<std::string> read_prompt() {
    std::string prompt;
    std::string mark = console_.paint_err(Style::bold, "> ");
    while (true) {
      auto line = console_.read_line(mark);
      if (!line) {
        console_.err("\n");
        if (!Interrupt::raised()) return std::nullopt;
        Interrupt::clear();
        return "";
      }
      const bool more = line->ends_with('\\');
      if (more) line->back() = '\n';
      prompt += *line;
      if (!more) return prompt;
      mark = console_.paint_err(Style::dim, ". ");
    }
  }

  void answer(const std::string& prompt) {
    request_.turns.push_back({"user", prompt});
    auto answer = stream_answer(invocation_, client_, request_, true);
    Interrupt::clear();
    if (!answer) {
      request_.turns.pop_back();
      print_error(console_, OutputFormat::table, answer.error());
      if (answer.error().code() == base::ErrorCode::context_overflow)
        print_note(console_, "/clear starts a new conversation.");
      return;
    }
    if (answer->text.empty()) {
      request_.turns.pop_back();  // stopped before it said anything
      return;
    }
    request_.turns.push_back({"assistant", answer->text});
    forget_oldest();
  }

  // False: leave.
  bool command(const std::string& line) {
    if (line == "/exit" || line == "/quit" || line == "/bye") return false;
    if (line == "/help" || line == "/?") {
      console_.err(kHelp);
    } else if (line == "/clear") {
      std::erase_if(request_.turns, [](const ChatTurn& turn) { return turn.role != "system"; });
      print_note(console_, "forgotten");
    } else if (line.starts_with("/system ")) {
      request_.turns = {{"system", line.substr(8)}};
      print_note(console_, "set");
    } else {
      print_note(console_,
                 fmt::format("there is no command {}; /help lists them", line.substr(0, line.find(' '))));
    }
    return true;
  }

  void forget_oldest() {
    if (request_.turns.size() <= kMaxTurns) return;
    const bool system = request_.turns.front().role == "system";
    const auto first = request_.turns.begin() + (system ? 1 : 0);
    request_.turns.erase(first, first + 2);
  }

  Invocation& invocation_;
  Console& console_;
  ChatClient& client_;
  ChatRequest request_;
};

}  // namespace

base::Result<ChatAnswer> stream_answer(Invocation& invocation, ChatClient& client, const ChatRequest& request,
                                       bool print) {
  Console& console = invocation.console;
  const bool terminal = console.facts().out_tty;
  bool open_line = false;  // stdout stands in the middle of a line
  const auto on_text = [&](ChatClient::Part part, std::string_view text) {
    if (!print) return;
    if (part == ChatClient::Part::text) {
      console.out(terminal ? without_controls(text) : std::string(text));
      open_line = !text.ends_with('\n');
    } else if (invocation.globals.verbose) {
      console.err(console.paint_err(Style::dim, without_controls(text)));
    }
  };
  auto answer = client.ask(request, on_text);
  if (open_line) console.out("\n");
  if (!answer) return answer;
  const bool speed = (console.facts().err_tty || invocation.globals.verbose) && !invocation.globals.quiet;
  if (speed) print_note(console, "    " + speed_line(*answer));
  return answer;
}

base::Result<int> chat_repl(Invocation& invocation, ChatClient& client, const ChatRequest& start) {
  return Repl(invocation, client, start).run();
}

}  // namespace slipway::cli
