#include "demix/run/reference_warnings.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "tests/message_of.h"

namespace demix {
namespace {

const std::vector<DomainFacts> kDomains = {{"general", ""}, {"code", ""}};

// Foretold exactly by proxies, interpolation and own shares.
std::vector<MixtureFacts> references() {
  const std::vector<std::vector<double>> scores = {{1, 2, 3, 4, 5, 6, 7, 8},
                                                   {3, 1, 4, 8, 5, 2, 6, 7}};
  std::vector<MixtureFacts> all(8);
  for (size_t i = 0; i < all.size(); ++i) {
    all[i].name = "v" + std::to_string(i);
    for (const std::vector<double>& domain : scores) {
      all[i].trained.domains.push_back({domain[i], 0.1});
      all[i].proxy.domains.push_back({domain[i], 0.1});
    }
    all[i].interpolation = all[i].own_share = all[i].proxy.domains;
  }
  return all;
}

TEST(ReferenceWarnings, AReferenceThatDoesNotFitTheOthersIsNamed) {
  EXPECT_EQ(warning_of_odd(references()), "");
  std::vector<MixtureFacts> odd = references();
  odd[0].trained.domains = {{9, 0.1}, {9, 0.1}};
  EXPECT_MENTIONS(warning_of_odd(odd),
                  "Without the reference v0 everything that foretells agrees better with the "
                  "others: the proxies' Spearman is 1.00 instead of 0.");
  odd[0].in_correlations = false;
  EXPECT_EQ(warning_of_odd(odd), "");
  EXPECT_EQ(warning_of_odd({}), "");
}

TEST(ReferenceWarnings, PromisesThatAreManyTimesTooLargeAreNamedByDomain) {
  EXPECT_EQ(warning_of_exaggeration(references(), kDomains), "");
  std::vector<MixtureFacts> small = references();
  for (MixtureFacts& facts : small) facts.trained.domains[1].value /= 5;
  EXPECT_MENTIONS(warning_of_exaggeration(small, kDomains), "showed 0.20 in code [0.20, 0.20] (");
}

}  // namespace
}  // namespace demix
