"""What others measured on OLMoE and this project only passes on."""

QUALITY = {
    "k": ["8", "16", "32", "64"],
    "WikiText-2, perplexity": ["16.76", "17.59", "22.04", "52.48"],
    "WikiText-2, token accuracy": ["45.0%", "44.2%", "41.8%", "33.7%"],
    "LAMBADA, perplexity": ["23.74", "24.89", "31.60", "87.71"],
    "LAMBADA, token accuracy": ["39.2%", "38.9%", "36.9%", "25.8%"],
}
