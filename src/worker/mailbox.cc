#include "worker/mailbox.h"

#include <algorithm>

namespace slipway::worker {

class Mailbox::ChoiceSink : public engine::Sink {
 public:
  ChoiceSink(Mailbox& mailbox, std::shared_ptr<Answer> answer, std::size_t choice)
      : mailbox_(mailbox), answer_(std::move(answer)), choice_(choice) {}

  void on_token(const engine::TokenEvent& event) override {
    mailbox_.put(
        {answer_, choice_, {event.token, event.logprob, {event.top.begin(), event.top.end()}}, nullptr});
  }

  void on_finish(engine::FinishReason reason, const engine::Usage& usage, const base::Error* error) override {
    auto end =
        std::make_unique<End>(End{reason, usage, error == nullptr ? std::nullopt : std::optional(*error)});
    mailbox_.put({std::move(answer_), choice_, {}, std::move(end)});
  }

 private:
  Mailbox& mailbox_;
  std::shared_ptr<Answer> answer_;
  std::size_t choice_;
};

std::shared_ptr<engine::Sink> Mailbox::sink(std::shared_ptr<Answer> answer, std::size_t choice) {
  return std::make_shared<ChoiceSink>(*this, std::move(answer), choice);
}

void Mailbox::put(Item item) {
  bool first = false;
  {
    std::lock_guard lock(mutex_);
    first = items_.empty();
    items_.push_back(std::move(item));
  }
  if (first) loop_.post([this] { deliver(); });
}

void Mailbox::deliver() {
  batch_.clear();
  {
    std::lock_guard lock(mutex_);
    std::swap(items_, batch_);
  }
  for (Item& item : batch_) {
    if (item.end)
      item.answer->end(item.choice, item.end->reason, item.end->usage, std::move(item.end->error));
    else
      item.answer->add(item.choice, item.token);
  }
  // Tokens of one answer stand together, so most repetitions are neighbours; flush() does nothing the second
  // time.
  for (std::size_t i = 0; i < batch_.size(); ++i)
    if (i + 1 == batch_.size() || batch_[i + 1].answer != batch_[i].answer) batch_[i].answer->flush();
  batch_.clear();
}

}  // namespace slipway::worker
