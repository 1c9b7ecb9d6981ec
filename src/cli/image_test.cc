// `slipway image build` before it writes anything; what it writes: environment/image_test,
// tests/e2e/test_image.py.
#include "cli/verb_test.h"

namespace slipway::cli {
namespace {

class Image : public VerbTest {};

TEST_F(Image, ANameWithoutATagIsRefused) {
  golden("image_bad_tag", {"image", "build", "x.tar", "--tag", "Foo"});
}

TEST_F(Image, AWorkerThatIsNotThereIsNamed) {
  setenv("SLIPWAY_WORKER", "/nonexistent/slipway-worker", 1);
  golden("image_no_worker", {"image", "build", "x.tar", "--worker"});
  unsetenv("SLIPWAY_WORKER");
}

TEST_F(Image, AModelGoesIntoAWorkerOnly) {
  golden("image_model_without_worker", {"image", "build", "x.tar", "--model", "m.gguf"});
}

}  // namespace
}  // namespace slipway::cli
