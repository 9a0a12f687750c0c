"""The words of the glossary: each term once, in one or two sentences."""

from olmoe_viz.figures.labels import k_is

TITLE = "Glossary"
EXPLANATION = "Each word has an address of its own, to link to: the sign beside a heading has it."
TERMS: dict[str, str] = {
    "activation patching": "Putting what a part of the model computed for one text into its run on "
    "another. How far the prediction follows says what that part carries.",
    "active parameters": "The parameters that one token uses: everything outside the experts, and "
    "k experts in each layer. They set the work for a token; all parameters set the memory.",
    "attention": "The part of a block in which a token takes over information from the tokens "
    "before it. It is the only place where tokens exchange anything.",
    "bits per byte": "How many bits a model needs on average to encode a byte of text that it has "
    "not seen: less is better. Unlike perplexity it can be compared across tokenizers.",
    "co-activation": "How often two experts of a layer are used by the same token: the number of "
    "tokens that use both, divided by the number that use the first.",
    "cutoff": "The line after the k-th expert in the order of the router probabilities. Experts "
    "before it run, those after it do not.",
    "decode": "Writing text after the prompt has been read: one step for each new token, in which "
    "the weights of the chosen experts must be read from memory.",
    "direct logit attribution": "What a part of the model adds to a token's logit by itself, with "
    "the final norm held as it was in the run. What later layers make of it is left out.",
    "domain specialization": "The share of the tokens of one kind of text that an expert gets. "
    "Without any preference it is k divided by the number of experts.",
    "drift": "How a token's k strongest experts change in a run with another k, counted as those "
    "lost or as the share kept. Layers after the first get other inputs then, so their routers "
    "choose differently.",
    "embedding": "The vector that stands for a token id before the first block. It is looked up "
    "in a table and the same wherever the token appears.",
    "entropy": "How evenly the router spreads its probability over the experts, in nats: 0 when "
    "one expert has all of it, the logarithm of their number when all have the same.",
    "expert": "One of the small feed-forward networks that a layer holds side by side. A token "
    "passes through only k of them.",
    "gain": "The sum of a token's routing weights in a layer. With native weights it grows with k, "
    "because further experts add their weights and the others keep theirs.",
    "gain-anchored": "Routing weights scaled to sum to the mass that the trained k keeps. With a "
    "larger k the gain stays as trained, and the weight of each expert is smaller.",
    "hidden state": "The vector of a token between two blocks, as wide as the model. Before the "
    "router reads it, it is normalized.",
    "KL divergence": "How far one distribution of the next token is from another, in nats: 0 when "
    "they are the same. It differs by direction, so each figure says from which of the two.",
    "layer": "One of the blocks that follow each other: attention first, then a router with its "
    "experts. Each layer has experts of its own, so an expert is named by layer and id, as in "
    "7·20.",
    "load": "The share of tokens that use an expert. When all are used alike it is k divided by "
    "the number of experts.",
    "load balancing": "A small loss in training that grows when few experts get most tokens. "
    "Without it a router may come to use a few experts only.",
    "logit lens": "The prediction that would come out if the model stopped after a layer: its "
    "residual stream, read with the final norm and the output matrix.",
    "logits": "Scores before softmax has turned them into probabilities. Only their differences "
    "matter.",
    "margin": "The probability of the last expert that is used minus that of the first one that "
    "is not: how clear the cut was. When all are used, it is the probability of the last.",
    "mixture of experts": "A model whose feed-forward part is split into experts, of which each "
    "token uses a few. It has many parameters and does little work for each token.",
    "native weights": "Routing weights as the model was trained with them: the router "
    "probabilities of the chosen experts, unchanged. They sum to less than 1 unless all are "
    "chosen.",
    "norm": "The length of a vector: the root of the sum of its squared values. Beside the norm of "
    "the residual stream, that of what is added says how much a part of the model changes.",
    "perplexity": "The number of equally likely tokens among which the model seems to choose, on "
    "average: less is better. It is the exponential of the mean negative log-likelihood.",
    "prefill": "Reading the prompt: all its tokens pass through the model together, before the "
    "first new token is written.",
    "renormalized": "Routing weights scaled to sum to 1, whatever k is. This changes the gain of "
    "a model that was trained with native weights.",
    "residual stream": "The vector of a token that runs through all layers. Each attention and "
    "each group of experts adds to it; nothing replaces it.",
    "retained mass": "The sum of the k largest router probabilities, also called coverage. The "
    "experts with the rest do not run.",
    "router": "The matrix in each layer that gives every expert a score for a token. In the files "
    "of the model its weights are named gate.",
    "router logits": "The scores of the router before softmax, one for each expert.",
    "router probabilities": "The softmax of the router logits over all experts of the layer: "
    "shares that sum to 1.",
    "routing weights": "The factors by which the outputs of the chosen experts are multiplied "
    "before they are added up.",
    "saturation": "The share of the experts chosen early in training that are still chosen at its "
    "end, for the same tokens. It tells when the routing settled.",
    "softmax": "Exponentials of scores, divided by their sum: shares that are above 0 and sum to "
    "1.",
    "temperature": "A number by which logits are divided before sampling. 0 stands for always "
    "taking the likeliest token; above 1 the choice grows more random.",
    "token": "A piece of text that the model reads as one symbol: a word, a part of one, a sign.",
    "top-k": "The k experts with the largest router probabilities. "
    f"OLMoE was trained with {k_is(8)}.",
    "vocabulary specialization": "The share of a token id's occurrences that go to one expert, "
    "counted only for ids that occur often enough.",
}
