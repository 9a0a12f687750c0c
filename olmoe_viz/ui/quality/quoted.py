"""What others measured on OLMoE and this project only passes on."""

import pandas as pd

QUALITY = pd.DataFrame(
    {
        "WikiText-2 perplexity": ["16.76", "17.59", "22.04", "52.48"],
        "token accuracy": ["45.0%", "44.2%", "41.8%", "33.7%"],
        "LAMBADA perplexity": ["23.74", "24.89", "31.60", "87.71"],
        "token accuracy ": ["39.2%", "38.9%", "36.9%", "25.8%"],
    },
    index=pd.Index([8, 16, 32, 64], name="k"),
)
