"""The nouns of the product, frozen, and the types of money, time and ids. Knows nothing else of Endcap."""
