#include "worker/answer.h"

namespace slipway::worker {

using base::Error, base::ErrorCode;

namespace {

codec::AnswerKind kind_of(const AnswerContext& context) {
  return context.prepared.operation == Operation::chat ? codec::AnswerKind::chat : codec::AnswerKind::text;
}

}  // namespace

Answer::Answer(AnswerContext context, codec::AnswerIdentity identity)
    : context_(std::move(context)),
      identity_(std::move(identity)),
      writer_(kind_of(context_), identity_, context_.prepared.params.include_usage) {
  const std::size_t count =
      context_.prepared.prompts.size() * static_cast<std::size_t>(context_.prepared.params.n);
  choices_.reserve(count);
  for (std::size_t i = 0; i < count; ++i)
    choices_.push_back(std::make_unique<Choice>(context_, static_cast<int>(i)));
}

void Answer::hold(std::vector<std::unique_ptr<engine::Ticket>> tickets) {
  if (error_) return;
  tickets_ = std::move(tickets);
  for (std::size_t i = 0; i < tickets_.size(); ++i)
    if (choices_[i]->stopped()) tickets_[i]->cancel();
}

void Answer::add(std::size_t choice, const TokenItem& item) {
  if (!first_token_) first_token_ = base::monotonic_now();
  if (error_) return;
  if (!choices_[choice]->add(item) && choice < tickets_.size() && tickets_[choice])
    tickets_[choice]->cancel();
}

void Answer::end(std::size_t choice, engine::FinishReason reason, const engine::Usage& usage,
                 std::optional<Error> error) {
  if (choices_[choice]->ended()) return;
  ++ended_;
  const bool wanted = choices_[choice]->stopped();
  choices_[choice]->end(reason, usage);
  if (error_ || wanted) return;
  if (reason == engine::FinishReason::error)
    fail(error ? *std::move(error)
               : Error(ErrorCode::internal, "the engine ended the request without a reason"));
  else if (reason == engine::FinishReason::cancelled)
    fail(Error(ErrorCode::draining, "the replica is shutting down and cut the request"));
}

void Answer::flush() {
  if (context_.prepared.params.stream && !error_)
    for (const auto& choice : choices_) choice->write(writer_, pending_);
  if (has_pending() || over()) wake.notify();
}

void Answer::write_roles() {
  if (context_.prepared.operation != Operation::chat) return;
  // Before anything that came while the head was on its way.
  std::string roles;
  for (std::size_t i = 0; i < choices_.size(); ++i) writer_.role(roles, static_cast<int>(i));
  pending_.insert(0, roles);
}

void Answer::write_end() {
  if (context_.prepared.params.include_usage) writer_.usage(pending_, usage());
  codec::StreamWriter::done(pending_);
}

std::string Answer::whole() {
  std::vector<codec::AnswerChoice> choices;
  choices.reserve(choices_.size());
  for (const auto& choice : choices_) choices.push_back(choice->whole());
  return codec::whole_answer(kind_of(context_), identity_, choices, usage());
}

void Answer::fail(Error error) {
  if (error_) return;
  error_ = std::move(error);
  tickets_.clear();
  wake.notify();
}

codec::AnswerUsage Answer::usage() const {
  codec::AnswerUsage out;
  const auto n = static_cast<std::size_t>(context_.prepared.params.n);
  for (std::size_t i = 0; i < choices_.size(); ++i) {
    const engine::Usage& usage = choices_[i]->usage();
    out.completion_tokens += choices_[i]->completion_tokens();
    if (i % n != 0) continue;  // the choices of one prompt share it
    out.prompt_tokens += usage.prompt_tokens;
    out.cached_tokens += usage.cached_tokens;
  }
  return out;
}

}  // namespace slipway::worker
