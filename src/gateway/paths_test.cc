#include "gateway/paths.h"

#include <gtest/gtest.h>

namespace slipway::gateway {
namespace {

TEST(Paths, AreMatchedExactly) {
  EXPECT_EQ(match_path("/v1/chat/completions").path, Path::chat);
  EXPECT_EQ(match_path("/v1/chat/completions").target, "/v1/chat/completions");
  EXPECT_EQ(match_path("/v1/models").path, Path::models);
  for (const char* none :
       {"", "/", "/v1", "/v1/chat/completions/", "/V1/models", "/v1/models/", "/metrics/x"})
    EXPECT_EQ(match_path(none).path, Path::other) << none;
}

TEST(Paths, AModelsIdMayHoldSlashesPlainOrEncoded) {
  EXPECT_EQ(match_path("/v1/models/owner/name").model, "owner/name");
  EXPECT_EQ(match_path("/v1/models/owner%2Fname").model, "owner/name");
  EXPECT_EQ(match_path("/v1/models/100%").model, "100%");
  EXPECT_EQ(match_path("/v1/models/a%zzb%4").model, "a%zzb%4");
}

TEST(Paths, EachHasANameAndMethods) {
  for (std::size_t i = 0; i < kPathCount; ++i) {
    const Path path = static_cast<Path>(i);
    EXPECT_FALSE(name(path).empty());
    EXPECT_EQ(allowed_methods(path) == "POST", is_relayed(path));
  }
}

}  // namespace
}  // namespace slipway::gateway
