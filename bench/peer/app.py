"""A Flask app whose answers take five seconds, as the app has with which people show that a rollout
loses requests. It knows nothing of its end. Flask's own server runs it, or gunicorn.
"""

import time

from flask import Flask, request

SECONDS = 5

app = Flask(__name__)


@app.get("/")
def hello():
    time.sleep(SECONDS)
    return "hello world"


@app.post("/echo")
def echo():
    body = request.get_data()
    time.sleep(SECONDS)
    return body
