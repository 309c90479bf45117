// What trained references say against themselves and against what proxies promise.
#pragma once

#include <string>
#include <vector>

#include "demix/report/result.h"

namespace demix {

// One sentence or two where references do not fit the others (demix/validate/odd_references.h);
// empty: none. Of those inside the correlations.
std::string warning_of_odd(const std::vector<MixtureFacts>& references);

// The same where the promised differences between mixtures are many times the real ones
// (demix/validate/promised_gains.h), by domain.
std::string warning_of_exaggeration(const std::vector<MixtureFacts>& references,
                                    const std::vector<DomainFacts>& domains);

}  // namespace demix
