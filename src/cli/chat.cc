#include <fmt/format.h>

#include <algorithm>
#include <memory>

#include "cli/chat_client.h"
#include "cli/chat_repl.h"
#include "cli/client.h"
#include "cli/cluster.h"
#include "cli/interrupt.h"
#include "cli/model_view.h"
#include "cli/settings.h"
#include "cli/text.h"

namespace slipway::cli {
namespace {

using base::Error;
using base::ErrorCode;

constexpr int kInterruptedExit = 130;
constexpr std::size_t kMaxPromptBytes = 4u << 20;

struct Options {
  std::string first, second;  // [MODEL] [PROMPT]; one alone may be either
  std::string system;
  std::string key;
  std::int64_t max_tokens = 0;
  double temperature = -1;  // below 0: not given
};

struct Choice {
  Json model;
  std::string prompt;  // empty: ask for it
};

const Json* find_model(const Json& models, const std::string& name) {
  const auto found = std::ranges::find_if(
      models, [&](const Json& m) { return text_of(m, "id") == name || text_of(m, "model") == name; });
  return found == models.end() ? nullptr : &*found;
}

Error unknown_model(const Json& models, const std::string& name) {
  std::string message = fmt::format("no model named \"{}\" is deployed", name);
  if (const auto near = nearest(name, model_names(models)))
    message += fmt::format("; did you mean {}?", *near);
  return Error(ErrorCode::unknown_model, std::move(message));
}

base::Result<Json> only_model(const Json& models) {
  if (models.empty()) {
    return Error(ErrorCode::unknown_model, "no model is deployed")
        .with_next(
            "`slipway deploy smollm2-135m` deploys the embedded one; `slipway models --available` lists "
            "others.");
  }
  if (models.size() == 1) return models.front();
  return Error(ErrorCode::usage, fmt::format("{} models are deployed ({}); name one", models.size(),
                                             fmt::join(model_names(models), ", ")))
      .with_next(fmt::format("Run `slipway chat {} ...`.", text_of(models.front(), "id")));
}

// One word may be the model or the prompt: a deployed model's name is the model, a near miss of one is a
// mistake.
base::Result<Choice> choose(const Json& models, const std::string& first, const std::string& second) {
  if (const Json* model = find_model(models, first)) return Choice{*model, second};
  const bool one_word = first.find(' ') == std::string::npos;
  const bool meant_a_model = !second.empty() || (one_word && nearest(first, model_names(models)));
  if (!first.empty() && meant_a_model) return unknown_model(models, first);
  SLIPWAY_TRY(Json model, only_model(models));
  return Choice{std::move(model), first.empty() ? second : first};
}

ChatRequest request_of(const Json& model, const Options& options) {
  ChatRequest request{.model = text_of(model, "id"),
                      .chat = text_of(model, "task", "chat") != "base",
                      .turns = {},
                      .max_tokens = options.max_tokens,
                      .temperature = std::nullopt};
  if (options.temperature >= 0) request.temperature = options.temperature;
  if (!options.system.empty()) request.turns.push_back({"system", options.system});
  return request;
}

Json answer_json(const std::string& model, const ChatAnswer& answer) {
  return {{"model", model},
          {"text", answer.text},
          {"finish_reason", answer.finish_reason},
          {"usage",
           {{"prompt_tokens", answer.prompt_tokens},
            {"completion_tokens", answer.completion_tokens},
            {"cached_tokens", answer.cached_tokens}}},
          {"ttft_ms", base::seconds(answer.ttft) * 1000},
          {"tokens_per_s", answer.tokens_per_s > 0 ? Json(answer.tokens_per_s) : Json()}};
}

base::Result<int> ask_once(Invocation& invocation, ChatClient& client, ChatRequest request,
                           const std::string& prompt) {
  request.turns.push_back({"user", prompt});
  Interrupt interrupt;
  const bool table = invocation.globals.output == OutputFormat::table;
  auto answer = stream_answer(invocation, client, request, table);
  if (!answer) return std::move(answer).error();
  if (!table) print_value(invocation.console, invocation.globals.output, answer_json(request.model, *answer));
  return answer->interrupted() ? kInterruptedExit : 0;
}

// The model that is meant and where it answers.
struct Talk {
  Choice choice;
  domain::Endpoint endpoint;
  std::optional<kube::PortForward> way;  // of a cluster's; lives as long as the talk
};

base::Result<Talk> talk_here(const Globals& globals, const Options& options) {
  SLIPWAY_TRY(ControlClient control, ControlClient::of(globals));
  SLIPWAY_TRY(const Json status, control.get("/control/v1/status"));
  SLIPWAY_TRY(Choice choice, choose(list_of(status, "models"), options.first, options.second));
  SLIPWAY_TRY(domain::Endpoint gateway, endpoint_of_url(text_of(object_of(status, "gateway"), "url")));
  return Talk{std::move(choice), std::move(gateway), std::nullopt};
}

base::Result<Talk> talk_there(const Globals& globals, const environment::ClusterPlace& place,
                              const Options& options, bool have_key) {
  const io::Patience patience;
  SLIPWAY_TRY(const Json models, cluster_models(globals, place, patience));
  SLIPWAY_TRY(Choice choice, choose(models, options.first, options.second));
  if (text_of(choice.model, "framework") == "triton-vllm") choice.model["task"] = "base";
  SLIPWAY_TRY(kube::PortForward way, way_to_model(place, choice.model, have_key));
  const domain::Endpoint endpoint = way.local();
  return Talk{std::move(choice), endpoint, std::move(way)};
}

base::Result<int> run(Invocation& invocation, const Options& options) {
  const std::string key = setting("api_key", options.key).value;
  SLIPWAY_TRY(const auto cluster, cluster_of(invocation.globals));
  auto talk = cluster ? talk_there(invocation.globals, *cluster, options, !key.empty())
                      : talk_here(invocation.globals, options);
  if (!talk) return std::move(talk).error();
  ChatClient client(talk->endpoint, key);
  const ChatRequest request = request_of(talk->choice.model, options);
  std::string& prompt = talk->choice.prompt;
  const bool piped = !invocation.console.facts().in_tty;
  if (prompt == "-" || (prompt.empty() && piped)) {
    prompt = invocation.console.read_all(kMaxPromptBytes);
    if (prompt.find_first_not_of(" \t\r\n") == std::string::npos) {
      return Error(ErrorCode::usage, "there is no prompt: none on the command line, and stdin is empty")
          .with_next(fmt::format("Run `slipway chat {} \"Hello\"`.", request.model));
    }
  }
  if (prompt.empty()) return chat_repl(invocation, client, request);
  return ask_once(invocation, client, request, prompt);
}

}  // namespace

Verb chat_verb() {
  auto o = std::make_shared<Options>();
  return {.name = "chat",
          .group = "Models",
          .summary = "talk to a model",
          .about =
              "Streams the answer to stdout. Without a prompt it reads one from stdin, or talks on a "
              "terminal: /help lists its "
              "commands, Ctrl-C stops an answer, Ctrl-D leaves. One word that is no deployed model's name is "
              "the prompt. On a "
              "terminal, or with -v, the speed follows on stderr.",
          .options =
              {{.names = "MODEL",
                .target = &o->first,
                .help = "The model; not needed when only one is deployed."},
               {.names = "PROMPT", .target = &o->second, .help = "What to say to it; - reads it from stdin."},
               {.names = "--system", .target = &o->system, .value = "TEXT", .help = "The system message."},
               {.names = "--max-tokens",
                .target = &o->max_tokens,
                .value = "N",
                .help = "The longest answer, in tokens.",
                .range = {1, 1e6}},
               {.names = "--temperature",
                .target = &o->temperature,
                .value = "X",
                .help = "0 is the likeliest token every time; higher is more varied.",
                .range = {0, 2}},
               {.names = "--key",
                .target = &o->key,
                .value = "KEY",
                .help = "The API key, when one is required (better: SLIPWAY_API_KEY)."}},
          .examples = {{"slipway chat", "a conversation"},
                       {"slipway chat smollm2-135m \"What is a slipway?\"", "one question"},
                       {"cat report.txt | slipway chat --system \"Summarise in one sentence.\"",
                        "the prompt from a pipe"}},
          .exits = {{1, "no such model, or the answer failed"},
                    {4, "Slipway is not running"},
                    {5, "a key is missing or wrong"}},
          .action = [o](Invocation& invocation) { return run(invocation, *o); }};
}

}  // namespace slipway::cli
