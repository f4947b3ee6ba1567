"""The only page."""

from django.urls import path

from shop.views import order

urlpatterns = [path("order/<int:number>/", order)]
