"""`python -m endcap` is `endcap`."""

from endcap.cli import main

if __name__ == "__main__":
    main()
