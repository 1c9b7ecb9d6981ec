// "Did you mean": the known word that is nearest to an unknown one.
//
// Distance: optimal string alignment (Damerau-Levenshtein with adjacent transpositions: insert, delete,
// replace, swap), on lower-cased words without '-' and '_', so that max_model_len finds maxModelLen. Words
// longer than kMaxSuggestLength are not compared. Ties go to the earlier candidate. Pure.
#pragma once

#include <span>
#include <string>
#include <string_view>

namespace slipway::codec {

inline constexpr std::size_t kMaxSuggestLength = 64;

// `bound`: the answer is bound + 1 for anything farther.
std::size_t edit_distance(std::string_view a, std::string_view b, std::size_t bound);
// The nearest candidate within a third of the word's length (at least 1, at most 4 edits); empty when none is
// near.
std::string_view suggest(std::string_view word, std::span<const std::string_view> candidates);
// "; did you mean 'x'?" or "".
std::string did_you_mean(std::string_view word, std::span<const std::string_view> candidates);

}  // namespace slipway::codec
