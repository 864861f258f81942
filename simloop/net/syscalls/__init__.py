"""How a program asks: virtual ``socket.socket`` objects, descriptor calls, checks of arguments."""
