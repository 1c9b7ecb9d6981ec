#include "environment/step.h"

namespace slipway::environment {

using base::Result;

Result<Json> perform(Journal& journal, Watcher& watcher, const io::Patience& patience, const Step& step) {
  SLIPWAY_RETURN_IF_ERROR(patience.check());
  if (step.holds) {
    SLIPWAY_TRY(const auto before, journal.done(step.id));
    if (before) {
      SLIPWAY_TRY(const bool holds, step.holds(*before));
      if (holds) {
        watcher.kept(step.title);
        return *before;
      }
    }
  }
  watcher.step(step.title);
  SLIPWAY_RETURN_IF_ERROR(journal.write(step.id, step.title, "begin", Json::object()));
  Result<Json> done = step.run();
  if (!done) {
    const Json why{{"code", base::code_name(done.error().code())}, {"message", done.error().message()}};
    SLIPWAY_RETURN_IF_ERROR(journal.write(step.id, step.title, "failed", why));
    return done;
  }
  SLIPWAY_RETURN_IF_ERROR(journal.write(step.id, step.title, "done", *done));
  return done;
}

}  // namespace slipway::environment
